"""Translation of the parts of a file by the machines of a Ray cluster.

The parts, their directory and their merging are those of `in_parts`: Ray decides which machine
translates which part, and when.
"""

import platform
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.build_manifest import read_manifest
from mtkit.io.logs import get_logger
from mtkit.io.progress import ProgressBar
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.identity import differences
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.input_reader import NumberOfLines
from mtkit.translation.jobs.part_worker import PartRange, PartsOptions, PartWorker
from mtkit.translation.jobs.parts_dir import PartsDir
from mtkit.translation.jobs.translation_spec import (
    RunOptions,
    TranslationSpec,
    load_line_translator,
)
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.line_search import default_chunk_lines
from mtkit.workers.ray_actors import (
    ActorOptions,
    call_on_cluster,
    choose_actors,
    map_on_actors,
    ray_cluster,
)

logger = get_logger(__name__)

MAX_ATTEMPTS = 3
"""Times that a part is begun, because the process or the machine that had it died."""


def translate_on_ray(
    spec: TranslationSpec, run: RunOptions, n_lines: NumberOfLines | None = None
) -> None:
    """Translate a file on a Ray cluster.

    The input, the output and the models must be on a disk that all machines share.

    Args:
        spec: What to translate, with the header of a table; input and output are files.
        run: Address of the cluster, number of processes and their devices, and whether to resume.
        n_lines: Number of lines of the input, if known.
    Raises:
        MtkitError: See `translate_in_parts`; or Ray is not installed, there is no such cluster, or
            a machine does not find the files or has another version of mtkit.
    """
    assert run.ray is not None
    if run.device.startswith("cuda:"):
        raise MtkitError(
            f"--device {run.device} is a GPU of one machine, not of a cluster",
            "give --device cuda: Ray assigns a GPU to each process",
        )
    with ray_cluster(run.ray):
        actors = choose_actors(run.device, run.n_processes, run.n_workers)
        on_gpu = actors.n_gpus > 0
        run = replace(
            run, device="cuda" if on_gpu else "cpu", n_workers=None if on_gpu else actors.n_cpus
        )
        options = PartsOptions(
            run.chunk_lines or default_chunk_lines(run.device),
            spec.lines.needs_header,
            n_lines=n_lines,
            n_context=spec.n_context,
        )
        shared = _with_absolute_paths(spec)
        # By a machine of the cluster, as this one may have no GPU.
        made_from = call_on_cluster(_made_from, (shared, run), actors)
        logger.info("translating on a Ray cluster, %s", _described(actors))
        pool = _ClusterPool(shared, run, actors)
        translate_in_parts(spec.files, pool, made_from, run.resume, options, _ClusterWorker)


def refuse_gaps(ranges: Iterable[PartRange], expected: Iterable[PartRange], name: str) -> None:
    """Check that the lines of all expected parts were translated, each in exactly one part.

    Args:
        ranges: Lines that were read for the parts, in any order; a part that was translated twice
            occurs twice.
        expected: Lines of these parts.
        name: Name of the input in errors.
    Raises:
        MtkitError: A part is missing, or has other lines than expected.
    """
    by_part = {one.part: one for one in expected}
    missing = set(by_part)
    for found in ranges:
        if found != (wanted := by_part.get(found.part)):
            raise MtkitError(
                f"`{name}`: part {found.part:,} was made from {_lines(found)},"
                f" not from {_lines(wanted)}",
                "all machines must read the same file: put it on a disk that they share",
            )
        missing.discard(found.part)
    if missing:
        lines = _lines(by_part[min(missing)])
        raise MtkitError(
            f"`{name}`: {len(missing):,} of {len(by_part):,} parts were not translated, the first"
            f" of them {lines}",
            "the same command with --resume translates them",
        )


class _ClusterPool(WorkerPool):
    """Arguments of the actors; this process translates nothing.

    Args:
        spec: The translation, with absolute paths.
        run: Settings of each actor.
        actors: The actors.
    """

    def __init__(self, spec: TranslationSpec, run: RunOptions, actors: ActorOptions) -> None:
        super().__init__(load_line_translator)
        self.spec, self.run, self.actors = spec, run, actors

    def load(self) -> None:
        """Load nothing: the actors load the models."""


class _ClusterWorker(PartWorker):
    """Has the parts made by the actors of a cluster."""

    pool: _ClusterPool

    @property
    def is_shared(self) -> bool:
        return True

    def make_parts(self, bar: ProgressBar | None, before: set[int]) -> None:
        ranges = self.part_ranges()
        missing = [one for one in ranges if one.part not in before]
        if bar is not None:
            bar.total, bar.is_estimate = self.n_lines, False
            bar.skip(self.n_lines - sum(one.n_lines for one in missing))
        self.parts.forget_attempts()
        with closing(self._made(missing, bar)) as made:
            refuse_gaps(made, missing, self.files.input_name)
        self.snapshot.check()

    def _made(
        self, ranges: list[PartRange], bar: ProgressBar | None
    ) -> Generator[PartRange, None, None]:
        """Yield the lines of each part as soon as it is finished."""
        if not ranges:
            return
        tasks = [{"part": one.part, "first_number": one.first_number} for one in ranges]
        args = self.pool.spec, self.pool.run, self.options
        with closing(map_on_actors(PartFunction, args, tasks, self.pool.actors)) as results:
            for result in results:
                made = PartRange(*result)
                if bar is not None:
                    bar.advance(made.n_lines)
                yield made


class PartFunction:
    """Makes parts in an actor.

    Args:
        spec: The translation, with absolute paths.
        run: Settings of this actor.
        options: Sizes of parts and chunks.
    Raises:
        MtkitError: This machine does not find the files, or would translate in another way.
    """

    def __init__(self, spec: TranslationSpec, run: RunOptions, options: PartsOptions) -> None:
        pool = spec.pool(_layout(spec, run))
        self.worker = PartWorker.for_files(spec.files, _made_from(spec, run), pool, options)
        _refuse_other_machine(self.worker.parts)
        pool.load()

    def __call__(self, part: int, first_number: int) -> PartRange:
        # Ray repeats a part as often as its process dies.
        if self.worker.parts.count_attempt(part) > MAX_ATTEMPTS:
            raise MtkitError(
                f"part {part:,}, from line {first_number:,} on, has ended the process that"
                f" translates it {MAX_ATTEMPTS} times",
                "it may run out of memory: lower --batch-tokens, or give each process more cores"
                " with --workers",
            )
        return self.worker.make_part(part, first_number)


def _refuse_other_machine(parts: PartsDir) -> None:
    """Refuse a machine that does not see the parts directory, or would fill it differently."""
    if parts.is_open():
        return
    machine, manifest = platform.node(), read_manifest(parts.path)
    if manifest is None:
        raise MtkitError(
            f"machine {machine} does not find `{parts.path}`",
            "write to a disk that all machines of the cluster share",
        )
    changed = ", ".join(differences(manifest, parts.manifest))
    raise MtkitError(
        f"machine {machine} would translate differently than the others: {changed}",
        "give all machines the same files, and name the precision with --precision if it differs",
    )


def _made_from(spec: TranslationSpec, run: RunOptions) -> dict[str, Any]:
    return spec.made_from(_layout(spec, run))


def _layout(spec: TranslationSpec, run: RunOptions) -> DeviceLayout:
    return choose_layout(run.device, 1, run.n_workers, None, engine=spec.engine)


def _with_absolute_paths(spec: TranslationSpec) -> TranslationSpec:
    """Return the translation for machines with other working directories."""
    paths = {
        item.name: path.absolute()
        for item in fields(spec.files)
        if isinstance(path := getattr(spec.files, item.name), Path)
    }
    model_dirs = tuple(path.absolute() for path in spec.model_dirs)
    return replace(spec, files=replace(spec.files, **paths), model_dirs=model_dirs)


def _described(actors: ActorOptions) -> str:
    processes = "one process" if actors.n_actors == 1 else f"{actors.n_actors} processes"
    if actors.n_gpus:
        return f"{processes} with a GPU each"
    return f"{processes} of {actors.n_cpus} " + ("core" if actors.n_cpus == 1 else "cores")


def _lines(one: PartRange | None) -> str:
    if one is None:
        return "no lines"
    last_number = one.first_number + one.n_lines - 1
    return f"lines {one.first_number:,} to {last_number:,}"

"""Translate a whole file, using the available processes and GPUs."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress
from mtkit.io.spool import is_stream
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.input_reader import (
    InputReader,
    NumberOfLines,
    number_of_lines,
    refuse_unequal_lengths,
)
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles, TranslationSpec
from mtkit.translation.jobs.write_output import report_written, write_output
from mtkit.translation.line_search import default_chunk_lines
from mtkit.translation.lines.document_types import DocumentCheck
from mtkit.translation.lines.records import LineChunk
from mtkit.workers.dist_env import DistEnv

logger = get_logger(__name__)

MIN_KEPT_LINES = 20
"""Minimum number of lines for which finished batches are kept."""
_CHUNKS_PER_PROCESS = 8
_MIN_CHUNK_LINES = 250


def translate_file(spec: TranslationSpec, run: RunOptions = RunOptions()) -> None:
    """Translate a file, in bounded memory. From a file to a file, finished parts survive a kill.

    If the environment says that this process is one of several ranks, as under torchrun, they share
    the file; each must be called with the same arguments.

    Args:
        spec: What to translate, with which models and how.
        run: Devices and processes, and whether to resume.
    Raises:
        MtkitError: See `translate_in_parts`; or the models cannot be loaded, a file next to the
            input has another number of lines, or the output is a stream although ranks share the
            work or `run.resume` is set.
        KeyboardInterrupt: With a message that says what is kept.
    """
    files, rank = spec.files, DistEnv.from_environment()
    if not files.can_resume:
        _refuse_streams(run, rank)
    if run.ray is not None and rank.world_size > 1:
        raise MtkitError(
            f"--ray in each of {rank.world_size} ranks",
            "start the command once, without torchrun: Ray distributes the lines",
        )
    # A bar would get between the lines of a terminal that shows both.
    is_shown = files.output_path is not None or not sys.stdout.isatty()
    n_lines = None
    if not is_stream(files.input_path) and (is_shown or any(files.parallel_inputs())):
        n_lines = number_of_lines(files.input_path, "the source text")
        refuse_unequal_lengths(files, n_lines)
    if run.ray is not None:
        from mtkit.translation.jobs.ray_parts import translate_on_ray

        translate_on_ray(_with_header(spec), run, n_lines)
        return
    if run.chunk_lines is not None and is_stream(files.input_path):
        run = _refuse_several_processes(run)
    layout = choose_layout(
        run.device,
        run.n_processes,
        run.n_workers,
        n_lines.n if n_lines else None,
        rank,
        spec.engine,
    )
    if layout.n_processes:
        logger.info("translating with %s, %s", spec.placement(layout), layout)
    chunk_lines = run.chunk_lines or _chunk_lines(layout, n_lines)
    is_short = n_lines is not None and n_lines.is_exact and n_lines.n < MIN_KEPT_LINES
    if files.can_resume and not (is_short and _may_leave_no_parts(files, run, rank)):
        from mtkit.translation.jobs.in_parts import translate_in_parts
        from mtkit.translation.jobs.part_worker import PartsOptions

        spec = _with_header(spec)
        options = PartsOptions(
            chunk_lines, spec.lines.needs_header, rank, n_lines, n_context=spec.n_context
        )
        translate_in_parts(files, spec.pool(layout), spec.made_from(layout), run.resume, options)
    else:
        translate_stream(spec, layout, chunk_lines, n_lines, is_shown=is_shown)


def _with_header(spec: TranslationSpec) -> TranslationSpec:
    """Return the translation with the header line of its table, if it has one."""
    if not spec.lines.needs_header:
        return spec
    with InputReader(spec.files) as reader:
        return spec.with_header(reader.skip_header() or "")


def translate_stream(
    spec: TranslationSpec,
    layout: DeviceLayout,
    chunk_lines: int,
    n_lines: NumberOfLines | None = None,
    *,
    is_shown: bool = False,
) -> None:
    """Translate lines as they come; nothing is kept of an interrupted run.

    Args:
        spec: What to translate, with which models and how.
        layout: Devices and processes.
        chunk_lines: Lines translated together.
        n_lines: Number of lines, if it is known.
        is_shown: Whether to show progress.
    """
    files, started_s = spec.files, time.monotonic()
    n_total, is_exact = n_lines or (None, True)
    bar_context = (
        progress("Translating", n_total, is_estimate=not is_exact, reports_end=files.is_stdout)
        if is_shown
        else nullcontext()
    )
    reader = InputReader(files, spec.n_context)
    with _reporting_lost_output(files), bar_context as bar, reader:
        if spec.lines.needs_header and (header := reader.skip_header()) is not None:
            spec = spec.with_header(header)
        n_header = reader.n_passed
        pool = spec.pool(layout)
        if n_header == spec.lines.needs_header:
            # Nobody should have to type a line to learn that there is no such model.
            pool.load()
        chunks = _chunks(reader, spec, chunk_lines)
        on_lines = bar.advance if bar is not None else lambda n: None
        with closing(pool.translate(chunks, on_lines)) as results:
            flags = write_output(files, results)
        n_done = reader.n_passed - n_header
    report_written(files.output_path, n_done, time.monotonic() - started_s, flags)


def _chunks(reader: InputReader, spec: TranslationSpec, chunk_lines: int) -> Iterator[LineChunk]:
    """Yield the lines of a stream; a header without any rows makes a chunk too."""
    n_header = reader.n_passed
    if n_header < spec.lines.needs_header:  # an empty input
        return
    check = DocumentCheck(spec.files.input_name) if spec.files.refuses_documents else None
    is_first = True
    while (lines := reader.take(chunk_lines)) or (is_first and n_header):
        if check is not None:
            check([line.text for line in lines])
        number = reader.n_passed - len(lines) + 1
        yield LineChunk(number, lines, is_first, before=reader.before)
        is_first = False


@contextmanager
def _reporting_lost_output(files: TranslationFiles) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        text = "" if files.is_stdout else f"`{files.output_path}` was not written"
        raise KeyboardInterrupt(text) from None


def _refuse_several_processes(run: RunOptions) -> RunOptions:
    """Return options for one process: a stream whose writer may wait for answers.

    Several processes would wait for further lines before they answer one.
    """
    if run.n_processes is not None and run.n_processes > 1:
        raise MtkitError(
            f"--chunk-lines {run.chunk_lines} on a stream needs one process: with "
            f"{run.n_processes}, an answer waits for the lines after it",
            "leave out --processes or --chunk-lines, or give a file",
        )
    return replace(run, n_processes=1)


def _refuse_streams(run: RunOptions, rank: DistEnv) -> None:
    """Refuse options that need an input and an output that are files."""
    if run.ray is not None:
        raise MtkitError(
            "a Ray cluster translates a file to a file, not stdin or stdout",
            "name both files, or leave out --ray",
        )
    if run.resume:
        raise MtkitError(
            "--resume needs an input file and an output file",
            "name both files, or leave out --resume",
        )
    if rank.world_size > 1:
        raise MtkitError(
            f"{rank.world_size} ranks can share a file, not stdin or stdout",
            "give a file in place of stdin, and one to write with -o",
        )


def _may_leave_no_parts(files: TranslationFiles, run: RunOptions, rank: DistEnv) -> bool:
    """Return whether a short file can be translated without a parts directory."""
    assert files.output_path is not None
    return (
        run.resume is None and rank.world_size == 1 and not parts_path(files.output_path).exists()
    )


def _chunk_lines(layout: DeviceLayout, n_lines: NumberOfLines | None) -> int:
    """Choose the lines of a chunk: few enough that all processes are busy until the end."""
    most = default_chunk_lines(layout.devices[0])
    if not layout.n_processes or n_lines is None:
        return most
    share = n_lines.n // (_CHUNKS_PER_PROCESS * layout.n_processes)
    return min(max(share, _MIN_CHUNK_LINES), most)

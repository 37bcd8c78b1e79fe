"""Translation of a file in parts, which survive a kill and can be shared by several ranks.

Rank r of n translates the parts r, r + n, r + 2 n and so on. The rank that finishes the last part
joins all of them. If a rank died, the same command with --resume translates its parts and joins.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.lock import LockedError, locked
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress
from mtkit.translation.jobs.input_reader import NumberOfLines, number_of_lines
from mtkit.translation.jobs.part_worker import PartsOptions, PartWorker
from mtkit.translation.jobs.parts_dir import PartsDir, Superseded, part_lines
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.jobs.write_output import report_written

logger = get_logger(__name__)

WAIT_FOR_FIRST_S = 600.0
"""Time that other ranks wait for rank 0 to begin, in addition to that for reading the input."""
_SLOW_DISK = 2e7
"""Bytes per second."""
MIN_KEPT_S = 5.0
"""If Ctrl-C ends a run sooner, before a part is complete, nothing is kept, so that the command can
be corrected and repeated."""
POLL_S = 0.5
_WAIT_AGAIN_S = 5.0
"""Time that other ranks wait if the directory is gone: usually everything is done, rarely rank 0
has started over."""
_START_APART_S = 30.0
"""An output that is at most this much older than the start of a rank was probably written by the
other ranks of the same run."""
_WAIT_IF_DONE_S = 15.0
"""Time that a rank waits for rank 0 if there is such an output."""


def translate_in_parts(
    files: TranslationFiles,
    pool: WorkerPool,
    made_from: dict[str, Any],
    resume: bool | None = None,
    options: PartsOptions = PartsOptions(),
    make_worker: type[PartWorker] = PartWorker,
) -> None:
    """Translate a file in parts of consecutive lines, and join them in order.

    Args:
        files: An input and an output that are files, and others.
        pool: Translates the lines.
        made_from: Everything that determines the output except the input files, as plain values.
        resume: See `RunOptions`.
        options: Sizes of parts and chunks, and the rank.
        make_worker: Class of the object that makes the parts.
    Raises:
        MtkitError: The input cannot be read or changes meanwhile, the output cannot be written,
            the parts that are kept belong to another translation or `resume` is None, another
            process writes the same output, or rank 0 does not begin.
        KeyboardInterrupt: With a message that says what is kept.
    """
    rank = options.rank
    n_lines = options.n_lines or number_of_lines(files.input_path)
    options = options._replace(lines_per_part=options.lines_per_part or part_lines(n_lines.n))
    worker = make_worker.for_files(files, made_from, pool, options)
    parts = worker.parts
    if rank.rank:
        started_s = time.time()
        pool.load()
        _work_for_rank_0(worker, started_s, n_lines)
        return
    with locked(parts.lock_path, f"translates into `{files.output_path}`"):
        if resume and parts.is_joined():
            logger.info("`%s` is complete already", files.output_path)
            parts.remove()
            return
        before, n_before = parts.open(resume), parts.n_kept()
        with _reporting_what_is_kept(parts, n_lines, removes_nothing=worker.is_shared):
            if resume:
                _report_start(n_before, n_lines)
            # Before the progress bar, which would count it as time for lines.
            pool.load()
            started_s = time.monotonic()
            with progress(
                options.title, n_lines.n, is_estimate=not n_lines.is_exact, reports_end=False
            ) as bar:
                worker.make_parts(bar, before)
            _join_if_complete(worker, started_s, n_before)


def _work_for_rank_0(worker: PartWorker, started_s: float, n_lines: NumberOfLines) -> None:
    """Translate the parts of another rank, as soon as rank 0 has begun."""
    parts = worker.parts
    first_wait_s = WAIT_FOR_FIRST_S + worker.files.input_path.stat().st_size / _SLOW_DISK
    wait_s = first_wait_s
    while _wait_for_rank_0(parts, started_s, wait_s):
        begun_s = time.monotonic()
        try:
            with _reporting_what_is_kept(parts, n_lines, removes_nothing=True):
                worker.make_parts(None, parts.finished())
                _join_if_complete(worker, begun_s)
            return
        except Superseded:
            wait_s = _WAIT_AGAIN_S
    if wait_s == first_wait_s and not _is_new(parts.output_path, started_s):
        raise MtkitError(
            f"rank 0 has not begun to write `{parts.output_path}` within {first_wait_s:.0f} s",
            "start all ranks with the same options, input and model, and an output on a shared"
            " disk",
        )


def _wait_for_rank_0(parts: PartsDir, started_s: float, wait_s: float) -> bool:
    """Wait until the parts directory is open; return whether it is."""
    begun_s = time.monotonic()
    while not parts.is_open():
        waited_s = time.monotonic() - begun_s
        if waited_s > wait_s or (
            waited_s > _WAIT_IF_DONE_S and _is_new(parts.output_path, started_s)
        ):
            return False
        time.sleep(POLL_S)
    return True


def _is_new(path: Path, started_s: float) -> bool:
    try:
        return path.stat().st_mtime > started_s - _START_APART_S
    except OSError:
        return False


def _join_if_complete(worker: PartWorker, started_s: float, n_before: int = 0) -> None:
    """Join the parts if all are finished; only one rank does.

    Args:
        worker: Has made its parts.
        started_s: Time at which it began, by `time.monotonic`.
        n_before: Lines that an earlier run had finished.
    """
    parts, n_parts = worker.parts, worker.n_parts
    if n_missing := n_parts - len(parts.finished() & set(range(n_parts))):
        if parts.is_open():
            logger.info(
                "finished the parts of this rank; %d of %d parts are missing. The rank that"
                " finishes last writes `%s`; if one has died, the same command with --resume does",
                n_missing,
                n_parts,
                parts.output_path,
            )
        return
    what = f"joins the parts of `{parts.output_path}`"
    with (
        suppress(LockedError),
        locked(parts.joining_path, what) if worker.is_shared else nullcontext(),
    ):
        if parts.is_open():
            logger.debug("joining %d parts in `%s`", n_parts, parts.output_path)
            flags = parts.flags(n_parts)
            parts.join(n_parts)
            report_written(
                parts.output_path,
                worker.n_lines,
                time.monotonic() - started_s,
                flags,
                min(n_before, worker.n_lines),
            )
    with suppress(OSError):  # the lock has made the directory again if another rank was faster
        parts.path.rmdir()


def _report_start(n_kept: int, n_lines: NumberOfLines) -> None:
    if n_kept:
        logger.info("resuming with %s", _share(n_kept, n_lines))
    else:
        logger.info("an earlier run has left nothing: starting from the beginning")


@contextmanager
def _reporting_what_is_kept(
    parts: PartsDir, n_lines: NumberOfLines, *, removes_nothing: bool
) -> Iterator[None]:
    """Report what is kept if the block is interrupted or fails.

    Args:
        parts: The parts directory.
        n_lines: Lines of the input.
        removes_nothing: Keep the directory even if nothing in it is worth keeping, because other
            ranks use it.
    """
    started_s, had_some = time.monotonic(), parts.n_kept() > 0
    try:
        yield
    except BaseException as exc:
        n_kept = parts.n_kept()
        is_worth_keeping = (
            had_some or parts.finished() or time.monotonic() - started_s >= MIN_KEPT_S
        )
        if not removes_nothing and (
            not n_kept or (isinstance(exc, KeyboardInterrupt) and not is_worth_keeping)
        ):
            with suppress(OSError):
                parts.remove()
            n_kept = 0
        text = (
            f"{_share(n_kept, n_lines)} are kept in `{parts.shown}`; "
            "the same command with --resume continues from there"
        )
        if isinstance(exc, KeyboardInterrupt):
            raise KeyboardInterrupt(
                text if n_kept else f"`{parts.output_path}` was not written"
            ) from None
        if n_kept and not isinstance(exc, Superseded):
            logger.warning("%s", text)
        raise


def _share(n_kept: int, n_lines: NumberOfLines) -> str:
    """Describe a number of lines, for example `8,000 of 20,000 lines`."""
    if n_lines.is_exact:
        return f"{min(n_kept, n_lines.n):,} of {n_lines.n:,} lines"
    return f"{n_kept:,} of about {n_lines.n:,} lines"

"""A file to a file: shared by processes and hosts, and kept in parts until it is whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.lock import locked
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress
from mtkit.io.text import Utf8Errors
from mtkit.translation.jobs.identity import input_identity
from mtkit.translation.jobs.line_reader import NumberOfLines, number_of_lines
from mtkit.translation.jobs.part_leases import GONE_AFTER_S, Claims
from mtkit.translation.jobs.part_worker import POLL_S, PartWorker
from mtkit.translation.jobs.parts_dir import PartsDir, Superseded, part_lines
from mtkit.translation.jobs.summary import report_written
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.workers.dist_env import DistEnv

logger = get_logger(__name__)

WAIT_FOR_FIRST_S = 600.0
"""How long other ranks wait for rank 0 to begin."""
MIN_KEPT_S = 5.0
"""What Ctrl-C ends sooner, before a part is whole, leaves nothing, so that the command can be corrected and given again."""
_WAIT_AGAIN_S = 5.0
"""How long they wait when its folder is gone: that it began anew is rare, usually all is done."""
_START_APART_S = 30.0
"""An output that is no older when a rank starts is probably that of a rank 0 which was fast ..."""
_WAIT_IF_DONE_S = 15.0
"""... unless rank 0 begins within this time."""


def translate_in_parts(
    input_path: Path,
    output_path: Path,
    crew: WorkerPool,
    made_from: dict[str, Any],
    *,
    resume: bool | None = None,
    chunk_lines: int = 4_000,
    has_header: bool = False,
    errors: Utf8Errors = "strict",
    rank: DistEnv = DistEnv(),
    n_lines: NumberOfLines | None = None,
    lines_per_part: int | None = None,
    gone_after_s: float = GONE_AFTER_S,
) -> None:
    """Translate a file in parts of consecutive lines, which outlive a kill, and join them in order.

    Of several ranks each makes the parts that it claims before the others, and rank 0 joins them. A rank that is gone is known by its silence,
    and others make what it had claimed.

    Args:
        input_path: A file that can be read more than once, packed or not.
        output_path: Written whole or not at all, packed where its name says so.
        crew: Translates.
        made_from: All that decides what is written for a line, but the input: settings and the models' identity, as plain values.
        resume: Whether to go on with what an interrupted translation has left, or to begin anew; None begins where there is nothing.
        chunk_lines: Lines translated together.
        has_header: Whether the first line of the input is no record.
        errors: What becomes of invalid UTF-8.
        rank: Which of several processes this is.
        n_lines: Of the input, where it is known.
        lines_per_part: Lines in a part; default by the size of the file.
        gone_after_s: Seconds without a sign of life after which a rank is held to be gone.
    Raises:
        MtkitError: The input cannot be read or changes meanwhile, the output cannot be written, what is kept is of another translation or nobody
            said that it shall go on, another process writes the same, or rank 0 does not begin.
        KeyboardInterrupt: With a text that tells what is kept.
    """
    identity = input_identity(input_path)
    n_lines = n_lines or number_of_lines(input_path)
    work = PartsDir(
        output_path,
        {"input": identity, "utf8_errors": errors} | made_from,
        lines_per_part or part_lines(n_lines.n),
    )
    make_job = partial(
        PartWorker, input_path, identity, work, crew, chunk_lines, has_header, errors
    )
    if rank.rank:
        started_s = time.time()
        crew.load()
        _help(work, make_job, started_s, gone_after_s)
        return
    with locked(work.lock_path, f"translates into `{output_path}`"):
        if resume and work.is_joined():
            logger.info("`%s` is whole already", output_path)
            work.remove()
            return
        before, n_before = work.open(resume), work.n_kept()
        with _told_what_is_kept(work, n_lines):
            if resume:
                _tell_start(n_before, n_lines)
            # Before the bar, which would count it as time for lines.
            crew.load()
            started_s = time.monotonic()
            others = Claims(work.path, gone_after_s) if rank.world_size > 1 else nullcontext()
            with (
                others as claims,
                progress(
                    "Translating", n_lines.n, is_about=not n_lines.is_exact, reports_end=False
                ) as bar,
            ):
                job = make_job(claims)
                job.make_parts(bar, before, waits=True)
            logger.debug("joining %d parts in `%s`", job.n_parts, output_path)
            flags = work.flags(job.n_parts)
            work.join(job.n_parts)
            report_written(
                output_path,
                job.n_lines,
                time.monotonic() - started_s,
                flags,
                min(n_before, job.n_lines),
            )


def _help(
    work: PartsDir, make_job: Callable[[Claims], PartWorker], started_s: float, gone_after_s: float
) -> None:
    """Make parts for rank 0, until there are none that nobody makes."""
    wait_s = WAIT_FOR_FIRST_S
    while _wait_for_first(work, started_s, wait_s):
        try:
            with Claims(work.path, gone_after_s) as claims:
                make_job(claims).make_parts(None, set(), waits=False)
            return
        except Superseded:
            wait_s = _WAIT_AGAIN_S
    if wait_s == WAIT_FOR_FIRST_S and not _is_new(work.output_path, started_s):
        raise MtkitError(
            f"rank 0 has not begun to write `{work.output_path}` within {WAIT_FOR_FIRST_S:.0f} s",
            "start all ranks with the same options, input and model, and with an output that all can see",
        )


def _wait_for_first(work: PartsDir, started_s: float, wait_s: float) -> bool:
    begun_s = time.monotonic()
    while not work.is_open():
        waited_s = time.monotonic() - begun_s
        if waited_s > wait_s or (
            waited_s > _WAIT_IF_DONE_S and _is_new(work.output_path, started_s)
        ):
            return False
        time.sleep(POLL_S)
    return True


def _is_new(path: Path, started_s: float) -> bool:
    try:
        return path.stat().st_mtime > started_s - _START_APART_S
    except OSError:
        return False


def _tell_start(n_kept: int, n_lines: NumberOfLines) -> None:
    if n_kept:
        logger.info("resuming with %s", _share(n_kept, n_lines))
    else:
        logger.info("nothing is kept of an earlier run: beginning at the start")


@contextmanager
def _told_what_is_kept(work: PartsDir, n_lines: NumberOfLines) -> Iterator[None]:
    started_s, had_some = time.monotonic(), work.n_kept() > 0
    try:
        yield
    except BaseException as exc:
        n_kept = work.n_kept()
        is_worth_keeping = had_some or work.finished() or time.monotonic() - started_s >= MIN_KEPT_S
        if not n_kept or (isinstance(exc, KeyboardInterrupt) and not is_worth_keeping):
            with suppress(OSError):
                work.remove()
            n_kept = 0
        text = f"{_share(n_kept, n_lines)} are kept in `{work.shown}`; the same command with --resume continues from there"
        if isinstance(exc, KeyboardInterrupt):
            raise KeyboardInterrupt(
                text if n_kept else f"`{work.output_path}` was not written"
            ) from None
        if n_kept:
            logger.warning("%s", text)
        raise


def _share(n_kept: int, n_lines: NumberOfLines) -> str:
    """For example `8,000 of 20,000 lines`."""
    if n_lines.is_exact:
        return f"{min(n_kept, n_lines.n):,} of {n_lines.n:,} lines"
    return f"{n_kept:,} of about {n_lines.n:,} lines"

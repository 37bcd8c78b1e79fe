"""Translate a file with models: the whole of it, by whoever there is."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress
from mtkit.io.spool import is_stream
from mtkit.io.text import Utf8Errors, read_lines, write_lines
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.line_reader import LineReader, NumberOfLines, number_of_lines
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.translation.jobs.streaming import written_lines
from mtkit.translation.jobs.summary import report_written
from mtkit.translation.jobs.translation_spec import TranslationSpec
from mtkit.translation.lines.document_types import without_documents
from mtkit.translation.lines.flag_counts import FlagCounts
from mtkit.translation.translator import CHUNK_LINES
from mtkit.workers.dist_env import DistEnv

logger = get_logger(__name__)

MIN_KEPT_LINES = 20
"""Minimum number of lines for which finished batches are kept."""
_CHUNKS_OF_A_PROCESS = 8
_MIN_CHUNK_LINES = 250


def translate_file(
    src_path: Path,
    out_path: Path | None,
    lines: TranslationSpec,
    *,
    device: str = "auto",
    n_workers: int | None = None,
    n_processes: int | None = None,
    resume: bool | None = None,
    chunk_lines: int | None = None,
    errors: Utf8Errors = "strict",
    refuses_documents: bool = False,
) -> None:
    """Translate a file, in bounded memory. From a file to a file, what is finished outlives a kill.

    Where the environment says that this is one of several ranks, as under torchrun, they share the file; each must be called alike.

    Args:
        src_path: A file, packed or not; `-` is stdin.
        out_path: Written whole or not at all, packed where its name says so; `OUT.parts` beside it holds what is finished until then. None or `-`
            is stdout.
        lines: The models, and what is made of a line.
        device: cpu, cuda, cuda:N or auto.
        n_workers: Batches at a time on a CPU, in each process; default one for each thread.
        n_processes: Default one for each GPU; none besides this one on a CPU.
        resume: Whether to go on with what an interrupted run has left, or to begin anew; None begins where there is nothing.
        chunk_lines: Lines translated together; 1 answers each at once.
        errors: What becomes of invalid UTF-8.
        refuses_documents: Whether a stream that looks like a document with markup is an error; see `refuse_document` for files.
    Raises:
        MtkitError: See `translate_in_parts`; or the models cannot be loaded; or input or output are no files, where several ranks share them or a run
            shall go on.
        KeyboardInterrupt: With a text that tells what is kept.
    """
    rank = DistEnv.from_environment()
    is_plain = _is_plain(src_path, out_path)
    if not is_plain:
        _refuse_parts(resume, rank)
    # A bar would get between the lines of a terminal that shows them both.
    is_shown = out_path is not None or not sys.stdout.isatty()
    n_lines = (
        number_of_lines(src_path, "the source text")
        if is_plain or (is_shown and src_path.is_file())
        else None
    )
    if chunk_lines is not None and is_stream(src_path):
        n_processes = _one_process(n_processes, chunk_lines)
    arrangement = choose_layout(
        device, n_processes, n_workers, n_lines.n if n_lines else None, rank
    )
    if arrangement.n_processes:
        logger.info("translating %s, %s", lines.placement(arrangement), arrangement)
    chunk_lines = chunk_lines or _chunk_lines(arrangement, n_lines)
    is_short = n_lines is not None and n_lines.is_exact and n_lines.n < MIN_KEPT_LINES
    if (
        out_path is None
        or not is_plain
        or (
            is_short
            and resume is None
            and rank.world_size == 1
            and not parts_path(out_path).exists()
        )
    ):
        _translate_stream(
            src_path,
            out_path,
            lines,
            arrangement,
            chunk_lines,
            errors,
            n_lines,
            is_shown,
            refuses_documents,
        )
        return
    if lines.options.needs_header:
        with LineReader(src_path, errors) as reader:
            lines = lines.with_header(next(iter(reader.take(1)), ""))
    translate_in_parts(
        src_path,
        out_path,
        lines.crew(arrangement),
        lines.made_from(arrangement),
        resume=resume,
        chunk_lines=chunk_lines,
        has_header=lines.options.needs_header,
        errors=errors,
        rank=rank,
        n_lines=n_lines,
    )


def _translate_stream(
    src_path: Path,
    out_path: Path | None,
    lines: TranslationSpec,
    arrangement: DeviceLayout,
    chunk_lines: int,
    errors: Utf8Errors,
    n_lines: NumberOfLines | None,
    is_shown: bool,
    refuses_documents: bool,
) -> None:
    """Translate lines as they come; of an interrupted run nothing is kept."""
    n_read, flags, started_s = 0, FlagCounts(), time.monotonic()
    total, is_exact = n_lines or (None, True)
    is_stdout = out_path is None or str(out_path) == "-"
    shown = (
        progress("Translating", total, is_about=not is_exact, reports_end=is_stdout)
        if is_shown
        else nullcontext()
    )
    with (
        _told_what_was_not_written(out_path),
        shown as bar,
        closing(read_lines(src_path, errors=errors)) as source,
    ):

        def counted() -> Iterator[str]:
            nonlocal n_read
            for line in without_documents(source, lines.name) if refuses_documents else source:
                n_read += 1
                yield line

        on_lines = bar.advance if bar is not None else lambda n: None
        write_lines(
            out_path, written_lines(counted(), lines, arrangement, chunk_lines, on_lines, flags)
        )
    report_written(
        out_path, max(n_read - lines.options.needs_header, 0), time.monotonic() - started_s, flags
    )


@contextmanager
def _told_what_was_not_written(out_path: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"`{out_path}` was not written" if out_path is not None and str(out_path) != "-" else ""
        ) from None


def _one_process(n_processes: int | None, chunk_lines: int) -> int:
    """The number of processes for a stream whose writer may wait for answers: several would wait for further lines before they give one."""
    if n_processes is not None and n_processes > 1:
        raise MtkitError(
            f"--chunk-lines {chunk_lines} on a stream is for one process: with {n_processes}, an answer waits for the lines after it",
            "leave out --processes or --chunk-lines, or give a file",
        )
    return 1


def _is_plain(src_path: Path, out_path: Path | None) -> bool:
    """Whether both are files, not pipes or devices."""
    return (
        out_path is not None
        and not is_stream(src_path)
        and str(out_path) != "-"
        and (out_path.is_file() or not out_path.exists())
    )


def _refuse_parts(resume: bool | None, rank: DistEnv) -> None:
    if resume:
        raise MtkitError(
            "only a translation from a file to a file can go on",
            "name both files, or leave out --resume",
        )
    if rank.world_size > 1:
        raise MtkitError(
            f"{rank.world_size} ranks can share a file, not stdin or stdout",
            "give a file in place of stdin, and one to write with -o",
        )


def _chunk_lines(arrangement: DeviceLayout, n_lines: NumberOfLines | None) -> int:
    """So few lines that no process is without work while others have much left."""
    if not arrangement.n_processes or n_lines is None:
        return CHUNK_LINES
    return min(
        max(n_lines.n // (_CHUNKS_OF_A_PROCESS * arrangement.n_processes), _MIN_CHUNK_LINES),
        CHUNK_LINES,
    )

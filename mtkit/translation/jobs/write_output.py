"""Output of a translation, and its last log line."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mtkit.io.atomic import atomic_write
from mtkit.io.compression import compressed
from mtkit.io.logs import counted, get_logger
from mtkit.io.progress import format_duration
from mtkit.io.text import write_lines
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.lines.records import ChunkResult, OutputLine
from mtkit.translation.result import FlagCounts

logger = get_logger(__name__)


def write_output(files: TranslationFiles, results: Iterable[ChunkResult]) -> FlagCounts:
    """Write the output for chunks as they come, and the alignments if requested.

    Args:
        files: Paths of the output and of the alignments; each file is written whole or not at all.
        results: Output for consecutive chunks.
    Returns:
        How many lines are flagged.
    """
    flags = FlagCounts()

    def lines(write_alignment: Callable[[OutputLine], None]) -> Iterator[str]:
        for result in results:
            flags.update(result.flags)
            for line in result.lines_with_header:
                write_alignment(line)
                yield from line.text.split("\n")

    if files.alignments_path is None:
        write_lines(files.output_path, lines(lambda line: None))
    else:
        with _alignments_writer(files.alignments_path) as write_alignment:
            write_lines(files.output_path, lines(write_alignment))
    return flags


@contextmanager
def _alignments_writer(path: Path) -> Iterator[Callable[[OutputLine], None]]:
    with atomic_write(path) as raw, compressed(raw, str(path)) as stream:

        def write(line: OutputLine) -> None:
            stream.write((line.alignment or "").encode() + b"\n")

        yield write


def report_written(
    path: Path | None, n_lines: int, elapsed_s: float, flags: FlagCounts, n_before: int = 0
) -> None:
    """Log the end, for example `wrote new.en: 6,000 lines in 40 s, 3 flagged (3 looped)`.

    Nothing is logged for standard output unless lines are flagged.

    Args:
        path: The output; None or `-` is stdout.
        n_lines: Lines of the input without a header.
        elapsed_s: Time since the models were loaded.
        flags: How many of these lines are flagged.
        n_before: How many of the lines an earlier run had finished.
    """
    if note := flags.note(n_lines):
        logger.warning("%s", note)
    is_stdout = path is None or str(path) == "-"
    if is_stdout and not flags:
        return
    lines = counted(n_lines, "lines")
    before = f" ({n_before:,} of them by an earlier run)" if n_before else ""
    target = f"wrote {path}:" if not is_stdout else "translated"
    flagged = f", {flags}" if flags else ""
    duration = format_duration(elapsed_s)
    logger.info("%s %s in %s%s%s", target, lines, duration, before, flagged)

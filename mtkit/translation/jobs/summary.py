"""The last line of a translation: how many lines, in what time, and how many of them deserve a look."""

from pathlib import Path

from mtkit.io.logs import get_logger
from mtkit.io.progress import format_duration
from mtkit.translation.lines.flag_counts import FlagCounts

logger = get_logger(__name__)


def report_written(
    path: Path | None, n_lines: int, elapsed_s: float, flags: FlagCounts, n_before: int = 0
) -> None:
    """Report the end of a translation, for example `wrote new.en: 6,000 lines in 40 s, 3 flagged (2 looped, 1 copied)`.

    Nothing is reported of standard output unless lines are flagged.

    Args:
        path: The output; None or `-` is stdout.
        n_lines: Lines of input, a header not counted.
        elapsed_s: Time since the models were loaded.
        flags: Flags of these lines.
        n_before: How many of the lines an earlier run had finished.
    """
    is_stdout = path is None or str(path) == "-"
    if is_stdout and not flags:
        return
    lines = "1 line" if n_lines == 1 else f"{n_lines:,} lines"
    before = f" ({n_before:,} of them by an earlier run)" if n_before else ""
    target = f"wrote {path}" if not is_stdout else "translated"
    flagged = f", {flags}" if flags else ""
    logger.info(
        "%s%s %s in %s%s%s",
        target,
        "" if is_stdout else ":",
        lines,
        format_duration(elapsed_s),
        before,
        flagged,
    )

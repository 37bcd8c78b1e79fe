"""Progress of long work: a bar with rate and time left on a terminal, plain log lines elsewhere."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from mtkit.io.logs import get_logger

FIRST_LINE_AFTER_S = 5.0
LINE_EVERY_S = 30.0
REDRAW_EVERY_S = 0.1

logger = get_logger(__name__)


class ProgressBar:
    """Counter that logs a line from time to time; see `progress`.

    Args:
        title: Name of the work, such as "Translating".
        total: Number of units to process, if known.
        unit: Name of the units.
        is_estimate: Whether the total is an estimate.
    """

    def __init__(self, title: str, total: int | None, unit: str, is_estimate: bool = False) -> None:
        self.title = title
        self.total = total
        self.is_estimate = is_estimate
        self.unit = unit
        self.n_done = 0
        self.n_skipped = 0
        self.started_s = time.monotonic()
        self.next_s = self.started_s + FIRST_LINE_AFTER_S
        self.n_reports = 0

    def advance(self, n: int = 1) -> None:
        """Count n more units."""
        self.n_done += n
        if time.monotonic() >= self.next_s:
            self._report()

    def skip(self, n: int) -> None:
        """Count n more units that were processed earlier, and do not count for the rate."""
        self.n_skipped += n
        self.advance(n)

    def describe(self) -> str:
        """Return, for example, `120 of 500 lines, 40 lines/s, 10 s left`."""
        elapsed_s = time.monotonic() - self.started_s
        rate = (self.n_done - self.n_skipped) / elapsed_s if elapsed_s > 0 else 0.0
        of_total = "" if self.total is None else f" of {'about ' * self.is_estimate}{self.total:,}"
        parts = [f"{self.n_done:,}{of_total} {self.unit}"]
        if rate > 0:
            parts.append(f"{format_rate(rate)} {self.unit}/s")
            if self.total is not None and self.total > self.n_done:
                parts.append(f"{format_duration((self.total - self.n_done) / rate)} left")
        return ", ".join(parts)

    def _report(self) -> None:
        self.n_reports += 1
        self.next_s = time.monotonic() + LINE_EVERY_S
        logger.info("%s: %s", self.title, self.describe())

    def _finish(self, *, finished: bool) -> None:
        # Work that ended before its first line was due needs no closing line.
        if self.n_reports and finished:
            elapsed = format_duration(time.monotonic() - self.started_s)
            logger.info("%s: %s %s in %s", self.title, f"{self.n_done:,}", self.unit, elapsed)


class TerminalBar(ProgressBar):
    """Bar on a terminal, drawn with rich."""

    def __init__(
        self, title: str, total: int | None, unit: str, console: Console, is_estimate: bool = False
    ) -> None:
        super().__init__(title, total, unit, is_estimate)
        self.next_s = self.started_s
        self.rich_progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            _DescriptionColumn(self),
            console=console,
            redirect_stdout=False,  # results go to stdout
            transient=True,
        )
        self.task_id = self.rich_progress.add_task(title, total=total)
        self.rich_progress.start()

    def _report(self) -> None:
        self.next_s = time.monotonic() + REDRAW_EVERY_S
        self.rich_progress.update(self.task_id, completed=self.n_done, total=self.total)

    def _finish(self, *, finished: bool) -> None:
        self.rich_progress.update(self.task_id, completed=self.n_done, total=self.total)
        self.rich_progress.stop()


class _DescriptionColumn(ProgressColumn):
    def __init__(self, bar: ProgressBar) -> None:
        super().__init__()
        self.bar = bar

    def render(self, task: Task) -> Text:
        return Text(self.bar.describe(), no_wrap=True, overflow="ellipsis")


def drawable_terminal() -> Console | None:
    """Return a console on stderr if it is a capable terminal and `setup_logs` was called."""
    console = Console(stderr=True)
    # With FORCE_COLOR, rich considers a pipe a terminal.
    is_capable = console.is_terminal and console.file.isatty() and not console.is_dumb_terminal
    return console if is_capable and logger.isEnabledFor(logging.INFO) else None


@contextmanager
def progress(
    title: str,
    total: int | None = None,
    unit: str = "lines",
    is_estimate: bool = False,
    *,
    reports_end: bool = True,
) -> Iterator[ProgressBar]:
    """Show the progress of long work on stderr; silent unless `setup_logs` was called.

    Args:
        title: Name of the work, such as "Translating".
        total: Number of units to process, if known.
        unit: Name of the units.
        is_estimate: Whether the total is an estimate.
        reports_end: Whether to log the total time at the end; False if the caller does.
    """
    console = drawable_terminal()
    if console is None:
        bar = ProgressBar(title, total, unit, is_estimate)
    else:
        bar = TerminalBar(title, total, unit, console, is_estimate)
    finished = False
    try:
        yield bar
        finished = True
    finally:
        bar._finish(finished=finished and reports_end)


def format_duration(seconds: float) -> str:
    """Format a duration, such as `8 s`, `2 min 05 s`, `3 h 20 min` or `2 d 04 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def format_rate(rate: float) -> str:
    """Format a rate with at least three digits, such as `0.25`, `31.4` or `12,500`."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"

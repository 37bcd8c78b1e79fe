"""Training on a terminal: a view that stays at the bottom, while the lines of the log go by above it."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from mtkit.checkpoint.run_dir import RunDir
from mtkit.training.reporting.dashboard import Dashboard
from mtkit.training.reporting.metrics_file import earlier_validations
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, ValidationSample

REDRAW_EVERY_S = 0.25
MAX_SHARE = 0.005
"""Of the time may go into drawing."""
MIN_WIDTH, MIN_HEIGHT = 72, 10
_LOG_LINES = 4
"""Lines of the terminal that stay free for the log."""


class TerminalView(Tracker):
    """Draws, without a thread: when it is looked at, and no more often than makes sense.

    Args:
        pace: Knows where training is.
        console: A terminal that it `fits`.
    """

    def __init__(self, pace: Throughput, console: Console) -> None:
        self.console = console
        self.screen = Dashboard(pace)
        # stdout is left alone: results go there.
        self.live = Live(
            _Drawing(self.screen), console=console, auto_refresh=False, redirect_stdout=False
        )
        self.next_s = 0.0

    def start(self, run: TrackedRun) -> None:
        if run.step:
            self.screen.validations = [
                row for row in earlier_validations(RunDir(run.run_dir)) if row[0] <= run.step
            ]
        self.live.start(refresh=True)

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        screen = self.screen
        if kind == "train":
            screen.train = values
            screen.n_skipped += int(values["n_skipped"])
            if "loss" in values and math.isfinite(values["loss"]):
                screen.losses.append(values["loss"])
        elif kind == "validation":
            screen.validations.append((step, values))
        else:
            screen.corpora[kind.removeprefix("validation/")] = values

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        self.screen.shown = samples
        self.draw()

    def rollback(self, step: int) -> None:
        screen = self.screen
        screen.validations = [row for row in screen.validations if row[0] <= step]
        screen.losses.clear()
        screen.corpora.clear()
        screen.shown = ()

    def finish(self, status: Status) -> None:
        with suppress(OSError):  # as below
            self.live.stop()

    def look(self, now: float, values: Callable[[], dict[str, float]] | None = None) -> None:
        """It is `now`, by `time.monotonic()`; `values` as for `Reporter.count_step`."""
        if now >= self.next_s:
            if values is not None:
                self.screen.train = values()
            self.draw()

    def draw(self) -> None:
        """Show how things stand now."""
        began_s = time.monotonic()
        try:
            self.live.refresh()
        except OSError:
            # The terminal has gone away, for which no training need end.
            self.next_s = math.inf
            return
        ended_s = time.monotonic()
        # A slow terminal, as over a slow line, is drawn to less often.
        self.next_s = ended_s + max(REDRAW_EVERY_S, (ended_s - began_s) / MAX_SHARE)


class _Drawing:
    """The screen as it is whenever rich draws it, so also when a line of the log goes by."""

    def __init__(self, screen: Dashboard) -> None:
        self.screen = screen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = console.size
        has_colour = not console.no_color and console.color_system is not None
        # A line as wide as the terminal would be broken by some of them.
        yield from self.screen.lines(width - 1, max(height - _LOG_LINES, 5), has_colour=has_colour)


def fits(console: Console) -> bool:
    """Whether a terminal is large enough, and has more than ASCII."""
    width, height = console.size
    return width >= MIN_WIDTH and height >= MIN_HEIGHT and not console.options.ascii_only

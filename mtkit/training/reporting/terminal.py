"""Live view of training at the bottom of a terminal, below the lines of the log."""

import math
import time
from collections import deque
from contextlib import suppress

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mtkit.training.reporting.formatting import (
    format_progress,
    format_training,
    format_validation,
    sparkline,
)
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker

REDRAW_EVERY_S = 0.25
MAX_SHARE = 0.005
"""Maximum fraction of the time that is spent drawing."""
MIN_WIDTH, MIN_HEIGHT = 72, 10
_N_LOSSES = 12
_MAX_WIDTH = 100
_TITLES = {None: "Training", "validating": "Validating", "saving": "Saving"}


class TerminalView(Tracker):
    """Draws progress, loss curve, speed, remaining time and validation scores.

    It has no thread: training calls `update`, which draws if enough time has passed.

    Args:
        throughput: Progress of training.
        console: A terminal that `fits`.
    """

    def __init__(self, throughput: Throughput, console: Console) -> None:
        self.throughput, self.console = throughput, console
        self.values: dict[str, float] = {}
        self.losses: deque[float] = deque(maxlen=_N_LOSSES)
        self.validation = self.best_validation = ""
        # stdout is not redirected: results go there.
        self.live = Live(
            get_renderable=self.render,
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
        )
        self.next_s = 0.0

    def start(self, run: TrackedRun) -> None:
        self.live.start(refresh=True)

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        if kind == "train":
            self.values = values
            if "loss" in values and math.isfinite(values["loss"]):
                self.losses.append(values["loss"])
        elif kind == "validation":
            text = f"step {step:,}, {format_validation(values)}"
            if values.get("best"):
                self.best_validation = text
            self.validation = text
            self.draw()

    def rollback(self, step: int) -> None:
        self.losses.clear()
        self.validation = self.best_validation = ""

    def finish(self, status: Status) -> None:
        with suppress(OSError):  # as in `draw`
            self.live.stop()

    def update(self, now: float, values: dict[str, float] | None = None) -> None:
        """Draw the view if it is due; see `Reporter.count_step`."""
        if values is not None:
            self.values = values
        if now >= self.next_s:
            self.draw()

    def draw(self) -> None:
        """Draw the view."""
        began_s = time.monotonic()
        try:
            self.live.refresh()
        except OSError:
            # The terminal is closed, which is no reason to end training.
            self.next_s = math.inf
            return
        ended_s = time.monotonic()
        # A slow terminal, such as a remote one, is drawn to less often.
        self.next_s = ended_s + max(REDRAW_EVERY_S, (ended_s - began_s) / MAX_SHARE)

    def render(self) -> Constrain:
        """Return the view for the current size of the terminal."""
        throughput = self.throughput
        # Some terminals break a line that is as wide as they are.
        width = min(self.console.width - 1, _MAX_WIDTH)
        share = min(throughput.done / throughput.total, 1.0)
        title = _TITLES[throughput.paused_for]
        counts = f"{100 * share:3.0f} %  {throughput.done:,} of {throughput.total:,} steps"
        bar_width = max(width - len(title) - len(counts) - 2, 0)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(title, ProgressBar(throughput.total, throughput.done, bar_width), counts)
        lines = [format_progress(throughput)]
        if self.values:
            lines.insert(0, format_training(self.values, sparkline(self.losses)))
        if self.validation:
            lines.append(f"validation: {self.validation}")
        if self.best_validation != self.validation:
            lines.append(f"best validation: {self.best_validation}")
        return Constrain(Group("", bar, *(Text(line) for line in lines if line)), width)


def fits(console: Console) -> bool:
    """Whether a terminal is large enough, and displays more than ASCII."""
    width, height = console.size
    return width >= MIN_WIDTH and height >= MIN_HEIGHT and not console.options.ascii_only

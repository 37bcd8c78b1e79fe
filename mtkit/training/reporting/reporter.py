"""What training tells, and to whom."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.io.logs import get_logger
from mtkit.io.progress import drawable_terminal
from mtkit.training.reporting.log_lines import LogLines
from mtkit.training.reporting.metrics_file import MetricsFile
from mtkit.training.reporting.terminal import TerminalView, fits
from mtkit.training.reporting.throughput import Pause, Throughput
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, flatten
from mtkit.training.validation import ValidationResult

logger = get_logger(__name__)


class Reporter:
    """Hands on what training tells: to metrics.jsonl, to the user, and to further trackers. A context manager.

    Args:
        run: Where metrics.jsonl is.
        recipe: Says how long training lasts.
        n_parameters: Of the model.
        step: Updates made before.
        trackers: To be told too.
        is_main: Whether this process speaks; another's reporter keeps silent.
    """

    def __init__(
        self,
        run: RunDir,
        recipe: Recipe,
        *,
        n_parameters: int,
        step: int = 0,
        trackers: Sequence[Tracker] = (),
        is_main: bool = True,
    ) -> None:
        every: dict[Pause, int] = {"saving": recipe.training.save_every_steps}
        if recipe.data.validation:
            every["validating"] = recipe.validation.every_steps
        self.pace = Throughput(step, recipe.training.max_steps, every)
        self.is_main = is_main
        self.is_over = False
        """Whether training has come to its end, rather than to the end of its time."""
        self._info = TrackedRun(
            run.path, flatten(recipe.model_dump(mode="json")), n_parameters, step
        )
        console = drawable_terminal() if is_main else None
        self._view = (
            TerminalView(self.pace, console) if console is not None and fits(console) else None
        )
        self._lines = LogLines(self.pace, is_short=self._view is not None)
        self._trackers: list[Tracker] = []
        if is_main:
            # The view is the last to begin and the first to close: whatever becomes of the others, the terminal stays in order.
            self._trackers = [
                MetricsFile(run),
                self._lines,
                *trackers,
                *([] if self._view is None else [self._view]),
            ]

    def __enter__(self) -> Self:
        for tracker in self._trackers:
            tracker.start(self._info)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        status: Status = "finished" if self.is_over else "stopped"
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            status = "failed"
        for tracker in reversed(self._trackers):
            tracker.finish(status)

    def count_step(self, values: Callable[[], dict[str, float]] | None = None) -> None:
        """Count an update that has been asked of the device.

        Args:
            values: Returns the values since the last line of the log, as for `trained`, and may wait for the device for them; None while that would
                hold up training. Called only if they will be shown.
        """
        now = time.monotonic()
        self.pace.count(1, now)
        if self.is_main:
            (self._view or self._lines).look(now, values)

    @contextmanager
    def paused_for(self, what: Pause) -> Iterator[None]:
        """While this lasts, training waits for something else."""
        self.pace.pause(what)
        self._draw()
        try:
            yield
        finally:
            self.pace.resume()
            self._draw()

    def _draw(self) -> None:
        if self._view is not None:
            self._view.draw()

    def log(self, text: str) -> None:
        """Something happened that is worth a line."""
        if self.is_main:
            logger.info("%s", text)

    def log_training(self, step: int, values: dict[str, float]) -> None:
        """How the updates since the last such call went.

        Args:
            step: Updates made.
            values: Means, by name: loss, nll, grad_norm, tokens_per_s, lr, epoch, train_s and further ones.
        """
        for tracker in self._trackers:
            tracker.log_metrics(step, "train", values)

    def log_validation(self, step: int, result: ValidationResult, *, is_best: bool) -> None:
        """A validation is over."""
        for tracker in self._trackers:
            tracker.log_metrics(
                step, "validation", {**result.quality.as_dict(), "best": float(is_best)}
            )
            for name, quality in result.corpora:
                tracker.log_metrics(step, f"validation/{name}", quality.as_dict())
            tracker.log_samples(step, result.samples)

    def rollback(self, step: int) -> None:
        """Training has gone back to an earlier step."""
        self.pace.rollback(step)
        for tracker in self._trackers:
            tracker.rollback(step)

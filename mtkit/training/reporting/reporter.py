"""Reports of training, and their receivers."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.dump import flatten
from mtkit.config.recipe import Recipe
from mtkit.io.logs import get_logger
from mtkit.io.progress import drawable_terminal
from mtkit.training.reporting.log_lines import LogLines
from mtkit.training.reporting.metrics_file import MetricsFile
from mtkit.training.reporting.throughput import Pause, Throughput
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker
from mtkit.training.validation import ValidationResult

if TYPE_CHECKING:
    from mtkit.training.reporting.terminal import TerminalView

logger = get_logger(__name__)


class Reporter:
    """Passes reports to metrics.jsonl, the log or the terminal, and other trackers.

    A context manager.

    Args:
        run: Directory of the run.
        recipe: The recipe.
        n_parameters: Number of parameters of the model.
        step: Steps made before.
        trackers: Other trackers; one that raises is not called again.
        is_main: Whether this process reports; in others, all methods do nothing.
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
        self.throughput = Throughput(step, recipe.training.max_steps, every)
        self.is_main = is_main
        self.is_finished = False
        """Whether training is complete, rather than stopped by its time limit."""
        settings = flatten(recipe.model_dump(mode="json"))
        self._run = TrackedRun(run.path, settings, n_parameters, step)
        self._log_lines = LogLines(self.throughput)
        self._view = _terminal_view(self.throughput) if is_main else None
        self._trackers: list[Tracker] = []
        self._may_fail = {id(tracker) for tracker in trackers}
        if is_main:
            self._trackers = [MetricsFile(run), self._log_lines, *trackers]
        if self._view is not None:
            # The view is started last and finished first: if another tracker fails, the terminal
            # is restored.
            self._trackers.append(self._view)

    def __enter__(self) -> Self:
        self._each(lambda tracker: tracker.start(self._run))
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        status: Status = "finished" if self.is_finished else "stopped"
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            status = "failed"
        self._trackers.reverse()
        self._each(lambda tracker: tracker.finish(status))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        """Call every tracker; drop one that fails, unless it is one of our own."""
        for tracker in list(self._trackers):
            try:
                call(tracker)
            except Exception as exc:
                if id(tracker) not in self._may_fail:
                    raise
                self._trackers = [other for other in self._trackers if other is not tracker]
                name = type(tracker).__name__
                error = f"{type(exc).__name__}: {exc}"
                logger.warning("tracker %s failed and is ignored from now on: %s", name, error)
                logger.debug("traceback of the tracker", exc_info=True)

    def count_step(self, values: dict[str, float] | None = None) -> None:
        """Count a step that has been submitted to the device.

        Args:
            values: The metrics since the last line of the log, as for `log_training`; None if
                reading them would delay training.
        """
        now = time.monotonic()
        self.throughput.count(1, now)
        if self.is_main:
            (self._view or self._log_lines).update(now, values)

    @contextmanager
    def paused_for(self, reason: Pause) -> Iterator[None]:
        """Report within this context that training is interrupted."""
        with self.throughput.pause(reason):
            self._draw()
            yield
        self._draw()

    def _draw(self) -> None:
        if self._view is not None:
            self._view.draw()

    def log(self, text: str) -> None:
        """Log a line."""
        if self.is_main:
            logger.info("%s", text)

    def log_training(self, step: int, values: dict[str, float]) -> None:
        """Report the updates since the last such call.

        Args:
            step: Steps made.
            values: Means by name: loss, nll, grad_norm, tokens_per_s, lr, epoch, train_s and
                others.
        """
        # Copies, here and below, as a tracker may change its arguments.
        self._each(lambda tracker: tracker.log_metrics(step, "train", dict(values)))

    def log_validation(self, step: int, result: ValidationResult, *, is_best: bool) -> None:
        """Report a validation."""
        scores = {**result.quality.as_dict(), "best": float(is_best)}

        def log(tracker: Tracker) -> None:
            tracker.log_metrics(step, "validation", dict(scores))
            for name, quality in result.corpora:
                tracker.log_metrics(step, f"validation/{name}", quality.as_dict())
            tracker.log_samples(step, list(result.samples))

        self._each(log)

    def rollback(self, step: int) -> None:
        """Report that training has rolled back to an earlier step."""
        self.throughput.rollback(step)
        self._each(lambda tracker: tracker.rollback(step))


def _terminal_view(throughput: Throughput) -> "TerminalView | None":
    console = drawable_terminal()
    if console is None:
        return None
    from mtkit.training.reporting.terminal import TerminalView, fits

    return TerminalView(throughput, console) if fits(console) else None

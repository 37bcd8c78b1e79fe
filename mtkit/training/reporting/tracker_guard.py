"""Trackers may fail; training may not fail for it."""

from collections.abc import Callable, Sequence

from mtkit.io.logs import get_logger
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, ValidationSample

logger = get_logger(__name__)


class GuardedTracker(Tracker):
    """Hands on to a tracker until that raises; says so then, once, and leaves it out.

    Args:
        tracker: Somebody's.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.is_left_out = False

    def start(self, run: TrackedRun) -> None:
        self._try(lambda: self.tracker.start(run))

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        # A copy, because what a tracker does with it is its own affair.
        self._try(lambda: self.tracker.log_metrics(step, kind, dict(values)))

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        self._try(lambda: self.tracker.log_samples(step, list(samples)))

    def rollback(self, step: int) -> None:
        self._try(lambda: self.tracker.rollback(step))

    def finish(self, status: Status) -> None:
        self._try(lambda: self.tracker.finish(status))

    def _try(self, call: Callable[[], None]) -> None:
        if self.is_left_out:
            return
        try:
            call()
        except Exception as exc:
            self.is_left_out = True
            name = type(self.tracker).__name__
            logger.warning(
                "the tracker %s has failed and is told nothing from here on: %s: %s",
                name,
                type(exc).__name__,
                exc,
            )
            logger.debug("where it failed", exc_info=True)

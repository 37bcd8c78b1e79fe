"""Trackers may fail; training may not fail for it."""

from collections.abc import Callable, Sequence

from mtkit.io.logs import get_logger
from mtkit.training.reporting.tracker import RunInfo, Sample, Status, Tracker

logger = get_logger(__name__)


class Guarded(Tracker):
    """Hands on to a tracker until that raises; says so then, once, and leaves it out.

    Args:
        tracker: Somebody's.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.is_left_out = False

    def begin(self, run: RunInfo) -> None:
        self._try(lambda: self.tracker.begin(run))

    def numbers(self, step: int, kind: str, values: dict[str, float]) -> None:
        # A copy, because what a tracker does with it is its own affair.
        self._try(lambda: self.tracker.numbers(step, kind, dict(values)))

    def samples(self, step: int, samples: Sequence[Sample]) -> None:
        self._try(lambda: self.tracker.samples(step, list(samples)))

    def back(self, step: int) -> None:
        self._try(lambda: self.tracker.back(step))

    def close(self, status: Status) -> None:
        self._try(lambda: self.tracker.close(status))

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

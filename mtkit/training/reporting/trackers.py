"""The trackers of a run: those that the recipe names, and the user's own."""

from collections.abc import Callable, Sequence

from mtkit.config.training import TrainingConfig
from mtkit.io.arguments import require_list
from mtkit.io.logs import get_logger
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, ValidationSample

logger = get_logger(__name__)


def all_trackers(config: TrainingConfig, trackers: Sequence[Tracker] = ()) -> list[Tracker]:
    """Return the trackers of `training.trackers` and others; none of them can stop training.

    Raises:
        MtkitError: A package is not installed.
        TypeError: `trackers` is not a list of trackers.
    """
    require_list(trackers, "trackers", of="trackers")
    trackers = list(trackers)
    for tracker in trackers:
        if isinstance(tracker, type) or not isinstance(tracker, Tracker):
            raise TypeError(
                f"trackers: {tracker!r} is not a tracker; pass an instance of a class that inherits"
                " from mtkit.Tracker"
            )
    named = [_make_tracker(name) for name in config.trackers]
    return [GuardedTracker(tracker) for tracker in (*named, *trackers)]


def _make_tracker(name: str) -> Tracker:
    if name == "tensorboard":
        from mtkit.training.reporting.tensorboard import TensorBoard

        return TensorBoard()
    from mtkit.training.reporting.weights_and_biases import WeightsAndBiases

    return WeightsAndBiases()


class GuardedTracker(Tracker):
    """Calls a tracker until it raises; then logs a warning and ignores it.

    Args:
        tracker: The tracker.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.has_failed = False

    def start(self, run: TrackedRun) -> None:
        self._try(lambda: self.tracker.start(run))

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        # Copies, as a tracker may change its arguments.
        self._try(lambda: self.tracker.log_metrics(step, kind, dict(values)))

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        self._try(lambda: self.tracker.log_samples(step, list(samples)))

    def rollback(self, step: int) -> None:
        self._try(lambda: self.tracker.rollback(step))

    def finish(self, status: Status) -> None:
        self._try(lambda: self.tracker.finish(status))

    def _try(self, call: Callable[[], None]) -> None:
        if self.has_failed:
            return
        try:
            call()
        except Exception as exc:
            self.has_failed = True
            name, kind = type(self.tracker).__name__, type(exc).__name__
            logger.warning("tracker %s failed and is ignored from now on: %s: %s", name, kind, exc)
            logger.debug("traceback of the tracker", exc_info=True)

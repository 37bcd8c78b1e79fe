"""The trackers of a run: those that the recipe names, and the user's own."""

from collections.abc import Sequence
from importlib.util import find_spec

from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_list
from mtkit.training.reporting.tracker import Tracker


def all_trackers(config: TrainingConfig, trackers: Sequence[Tracker] = ()) -> list[Tracker]:
    """Return the trackers of `training.trackers` and others.

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
    return [*map(_make_tracker, config.trackers), *trackers]


def _make_tracker(name: str) -> Tracker:
    """Return a tracker of `training.trackers`, which has the name of its package."""
    if find_spec(name) is None:
        raise MtkitError(
            f"training.trackers: {name} needs a package that is not installed",
            f"pip install 'mtkit[{name}]', or leave {name} out of training.trackers",
        )
    if name == "tensorboard":
        from mtkit.training.reporting.tensorboard import TensorBoard

        return TensorBoard()
    from mtkit.training.reporting.weights_and_biases import WeightsAndBiases

    return WeightsAndBiases()

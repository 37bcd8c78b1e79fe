"""The trackers that a recipe asks for by name."""

from collections.abc import Sequence

from mtkit.config.training import TrainingConfig
from mtkit.io.arguments import require_list
from mtkit.training.reporting.tensorboard import TensorBoard
from mtkit.training.reporting.tracker import Tracker
from mtkit.training.reporting.tracker_guard import GuardedTracker
from mtkit.training.reporting.weights_and_biases import WeightsAndBiases

_NAMED = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def all_trackers(config: TrainingConfig, own: Sequence[Tracker] = ()) -> list[Tracker]:
    """Those of `training.trackers`, then the user's own; none of them can stop training once it goes on.

    Raises:
        MtkitError: One needs a package that is not installed.
        TypeError: The user's trackers are not a list of trackers.
    """
    require_list(own, "trackers", of="trackers")
    own = list(own)
    for tracker in own:
        if isinstance(tracker, type) or not isinstance(tracker, Tracker):
            raise TypeError(
                f"trackers: {tracker!r} is not a tracker; pass an instance of a class that inherits from mtkit.Tracker"
            )
    return [
        GuardedTracker(tracker) for tracker in (*(_NAMED[name]() for name in config.trackers), *own)
    ]

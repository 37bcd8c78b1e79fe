"""Detection of divergence: a loss or gradient that is repeatedly not finite."""

from mtkit.checkpoint.training_checkpoint import TrainingState
from mtkit.errors import MtkitError
from mtkit.training.step import Stepper

_FP16_HALVINGS = 17
"""Skipped updates until the loss scale of fp16 has fallen from its initial value to 1."""


class Diverged(MtkitError):
    """Training diverged, and rolling back to a lower learning rate did not help."""

    exit_status = 3


class DivergenceMonitor:
    """Detects divergence: too many consecutive updates with a non-finite loss or gradient.

    Args:
        stepper: Counts the consecutive updates that were skipped.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper, self.config = stepper, stepper.config
        self.limit = self.config.max_bad_steps
        if stepper.scaler.is_enabled():
            self.limit += _FP16_HALVINGS

    def has_diverged(self) -> bool:
        """Whether training has diverged. Synchronizes the device."""
        return int(self.stepper.n_bad_in_a_row) >= self.limit

    def check_rollbacks(self, state: TrainingState) -> str:
        """Return a message about the divergence, if another rollback is allowed.

        Raises:
            Diverged: training.max_rollbacks is exceeded.
        """
        message = (
            f"training has diverged: at step {state.step:,} loss or gradient was not finite for"
            f" {int(self.stepper.n_bad_in_a_row)} updates in a row"
        )
        max_rollbacks = self.config.max_rollbacks
        if state.n_rollbacks >= max_rollbacks:
            raise Diverged(
                f"{message}, and {max_rollbacks} rollbacks to a lower learning rate did not help",
                "lower training.learning_rate, raise training.warmup_steps, or look for unusual"
                " pairs with `mtkit data check`; good checkpoints are kept",
            )
        return message

"""Detection of divergence: a loss or gradient that is repeatedly not finite."""

from mtkit.checkpoint.training_checkpoint import TrainingState
from mtkit.engines.lagged_reader import LaggedReader
from mtkit.errors import MtkitError
from mtkit.training.step import Stepper

_FP16_HALVINGS = 17
"""Skipped updates until the loss scale of fp16 has fallen from its initial value to 1."""


class Diverged(MtkitError):
    """Training diverged, and rolling back to a lower learning rate did not help."""

    exit_status = 3


class DivergenceMonitor:
    """Detects divergence: too many consecutive updates with a non-finite loss or gradient.

    On a GPU, a check reads the count of the check before, which is there already. Training rolls
    back to the same checkpoint as with the current count, only later, as nothing is saved before
    the current count is read.

    Args:
        stepper: Counts the consecutive updates that were skipped.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper, self.config = stepper, stepper.config
        self.limit = self.config.max_bad_steps
        if stepper.scaler.is_enabled():
            self.limit += _FP16_HALVINGS
        self._counts: LaggedReader[int] = LaggedReader(1 if stepper.device.type == "cuda" else 0)
        self._found = 0, 0
        """Step and count of the check that found that training has diverged."""

    def has_diverged(self, step: int, *, waits: bool) -> bool:
        """Whether training has diverged.

        Args:
            step: Steps made.
            waits: Whether to wait for the device and also read the current count.
        """
        self._counts.start(self.stepper.n_bad_in_a_row, step)
        read = self._counts.read_all() if waits else [self._counts.read()]
        for count, counted_at in filter(None, read):
            if int(count) >= self.limit:
                self._found = counted_at, int(count)
                self._counts.clear()
                return True
        return False

    def check_rollbacks(self, state: TrainingState) -> str:
        """Return a message about the divergence, if another rollback is allowed.

        Raises:
            Diverged: training.max_rollbacks is exceeded.
        """
        step, n_bad = self._found
        message = (
            f"training has diverged: at step {step:,} loss or gradient was not finite for"
            f" {n_bad} updates in a row"
        )
        max_rollbacks = self.config.max_rollbacks
        if state.n_rollbacks >= max_rollbacks:
            raise Diverged(
                f"{message}, and {max_rollbacks} rollbacks to a lower learning rate did not help",
                "lower training.learning_rate, raise training.warmup_steps, or look for unusual"
                " pairs with `mtkit data check`; good checkpoints are kept",
            )
        return message

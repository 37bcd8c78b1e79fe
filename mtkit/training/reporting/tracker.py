"""The interface of trackers: metrics.jsonl, the terminal, TensorBoard, or one of your own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

Status = Literal["finished", "stopped", "failed"]
"""finished: training is complete; stopped: it can be resumed; failed: an error ended it."""


@dataclass(frozen=True)
class TrackedRun:
    """A training run."""

    run_dir: Path
    """Directory of the run."""
    settings: dict[str, Any]
    """The recipe, flat: `training.learning_rate` and so on; numbers, strings, None, and lists."""
    n_parameters: int
    """Number of parameters of the model."""
    step: int = 0
    """Steps made before; above 0 if the run is resumed."""


class ValidationSample(NamedTuple):
    """A validation pair and its current translation."""

    src: str
    reference: str
    hypothesis: str


@runtime_checkable
class Tracker(Protocol):
    """Receives the metrics of training.

    Inherit from it and override the methods you need; the others do nothing. They are called in
    the process of rank 0, between two updates, so training waits for them. A tracker that raises
    is not called again, and training continues.
    """

    def start(self, run: TrackedRun) -> None:
        """Start, or resume after `run.step`: reports of later steps are invalid."""

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        """Log metrics.

        Args:
            step: Steps made.
            kind: `train`, for the updates since the last such call; `validation`; or
                `validation/NAME`, for one of several validation corpora.
            values: Values by name, as in metrics.jsonl.
        """

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        """Log the translations of some validation pairs, the same ones each time."""

    def rollback(self, step: int) -> None:
        """Return to an earlier step after divergence: later steps are invalid and repeated."""

    def finish(self, status: Status) -> None:
        """Finish; no other call follows."""

"""What a tracker is told of a training, whichever it is: metrics.jsonl, the terminal, TensorBoard, or one of the user's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

Status = Literal["finished", "stopped", "failed"]
"""finished: training is over; stopped: it can go on; failed: an error ended it."""


@dataclass(frozen=True)
class TrackedRun:
    """Which training it is."""

    run_dir: Path
    """The run's folder."""
    settings: dict[str, Any]
    """The recipe, flat: `training.learning_rate` and so on; numbers, texts, None, and lists of them."""
    n_parameters: int
    """Of the model."""
    step: int = 0
    """Updates made before; above 0 when a run is resumed."""


class ValidationSample(NamedTuple):
    """A validation pair, and how it is translated at the moment."""

    src: str
    reference: str
    hypothesis: str


@runtime_checkable
class Tracker(Protocol):
    """Is told how training goes.

    Inherit from it and write those methods that matter; the others do nothing. They are called in the process of rank 0, between two updates, so
    training waits for them. One that raises is told nothing more, and training goes on.
    """

    def start(self, run: TrackedRun) -> None:
        """Training starts, or goes on after `run.step`; what was told of later steps before is void."""

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        """How it went.

        Args:
            step: Updates made.
            kind: `train`, for the updates since the last such call; `validation`; or `validation/NAME`, for one of several validation corpora.
            values: By name, as in metrics.jsonl.
        """

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        """How some validation pairs are translated, the same ones each time."""

    def rollback(self, step: int) -> None:
        """Training has diverged and goes back to an earlier step; what was told of later ones is void, and they come again."""

    def finish(self, status: Status) -> None:
        """Nothing more comes."""


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: `{"a": {"b": 1}}` becomes `{"a.b": 1}`; mappings in lists are numbered from 0."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            value = {str(number): entry for number, entry in enumerate(value)}
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found

"""Reads the origin of a model's weights from what its run has recorded."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtkit.checkpoint.model_config import TrainingHistory
    from mtkit.checkpoint.run_dir import RunDir

SCORE_NAMES = ("loss", "bleu", "chrf")
"""Names of validation scores in metrics.jsonl."""
INITIAL_MODEL = "initial model"
"""Key of the model that a run started from in identity.json."""
_MAX_NUMBER = 1e100
"""Larger numbers come from damage."""


def read_history(run: "RunDir", steps: Sequence[int]) -> "TrainingHistory":
    """Collect what a run has recorded about the weights of some steps.

    Args:
        run: Directory with identity.json and metrics.jsonl; missing values are None.
        steps: One step, or those that were averaged.
    """
    # torch takes a second to load, which the readers below do without.
    from mtkit.checkpoint.model_config import TrainingHistory

    identity = read_identity(run.identity_path)
    scores: dict[str, float] = {}
    if len(steps) == 1:
        validations = (
            values
            for values in read_metrics(run.metrics_path)
            if values.get("kind") == "validation" and values.get("step") == steps[0]
        )
        scores = next((validation_scores(values) for values in validations), {})
    return TrainingHistory(
        steps=tuple(steps),
        n_pairs=n_training_pairs(identity),
        data_signature=identity.get("training data"),
        seed=identity.get("training.seed"),
        scores=scores,
        initial_model=identity.get(INITIAL_MODEL),
    )


def validation_scores(values: dict[str, Any]) -> dict[str, float]:
    """Return the validation scores in a line of metrics.jsonl that are finite numbers."""
    return {name: float(values[name]) for name in SCORE_NAMES if is_finite_number(values.get(name))}


def is_finite_number(value: Any) -> bool:
    """Whether a value from a log is a number that can be compared and drawn."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _MAX_NUMBER  # False for NaN
    )


def n_training_pairs(identity: dict[str, Any]) -> int | None:
    """Return the number of training pairs.

    The identity lists an epoch and the pairs of each corpus for each change of the mix.
    """
    try:
        return sum(identity["pairs of each corpus from epoch"][-1][1])
    except (KeyError, IndexError, TypeError):
        return None


def read_identity(path: Path) -> dict[str, Any]:
    """Read identity.json; empty if it is unreadable."""
    try:
        identity = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return identity if isinstance(identity, dict) else {}


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of metrics.jsonl, except for damaged or incomplete ones."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):  # the latter for brackets without end
                continue
            if isinstance(values, dict):
                yield values

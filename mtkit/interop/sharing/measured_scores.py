"""Scores for a model card, as `mtkit evaluate --json` measured them."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from pydantic import Field, ValidationError

from mtkit.config.section import NonNegativeInt, Section
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.io.text import read_lines

logger = get_logger(__name__)

_MEASURE = "measure them: mtkit evaluate -m MODEL -s SRC -r REFERENCE --json > scores.json"
_METRIC_TYPES = {"BLEU": "bleu", "chrF2": "chrf", "chrF2++": "chrf", "TER": "ter"}


class MeasuredScore(Section):
    """Score of a model on a test set."""

    test_set: str = Field(min_length=1)
    """Name of the file of references, with search settings if they were not the model's own."""
    n_segments: NonNegativeInt
    """Number of segments of the test set."""
    name: str = Field(min_length=1)
    """Name of the metric: BLEU, chrF2, chrF2++, TER, or that of another program."""
    value: float = Field(allow_inf_nan=False)
    """The score."""
    signature: str
    """Signature of sacreBLEU."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    """Lower end of the 95 % confidence interval."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Upper end of the 95 % confidence interval."""
    weights_sha256: str | None = None
    """SHA-256 of the weights that were evaluated; None if it was not recorded."""


def read_scores(path: Path, weights_sha256: str) -> list[MeasuredScore]:
    """Read the scores of one evaluation.

    Args:
        path: Output of `mtkit evaluate --json`.
        weights_sha256: SHA-256 of the model's weights.
    Raises:
        MtkitError: The file contains something else, or scores of another model.
    """
    try:
        tree = json.loads("\n".join(read_lines(path, what="the scores")))
        inputs = tree.get("inputs", {})
        models = [model["weights_sha256"] for model in inputs.get("models", [])]
        search = ", ".join(f"{name} {value}" for name, value in inputs.get("search", {}).items())
        references = [PurePath(name).name for name in inputs.get("references", [path.stem])]
        scores = [
            MeasuredScore(
                test_set=", ".join(references) + (f" ({search})" if search else ""),
                n_segments=tree["n_segments"],
                weights_sha256=models[0] if models else None,
                **{name: value for name, value in score.items() if name in _SCORE_FIELDS},
            )
            for name, score in tree.items()
            if name not in ("n_segments", "inputs")
        ]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        scores = models = []
    if not scores:
        raise MtkitError(f"`{path}`: not scores as `mtkit evaluate --json` prints them", _MEASURE)
    if models not in ([], [weights_sha256]):
        what = "of another model" if len(models) == 1 else "of an ensemble"
        raise MtkitError(f"`{path}`: scores {what}, not of the one to push", _MEASURE)
    if not models:
        logger.warning(
            "`%s` does not record which model made the translations; evaluate with --model to have "
            "it checked",
            path,
        )
    return scores


_SCORE_FIELDS = ("name", "value", "signature", "low", "high")


def to_model_index(name: str, scores: Sequence[MeasuredScore]) -> list[dict[str, Any]]:
    """Return the field `model-index` of a model card, which the hub reads.

    Args:
        name: Name of the model.
        scores: Its scores; those of one test set follow each other.
    """
    results: dict[str, dict[str, Any]] = {}
    for score in scores:
        result = results.setdefault(
            score.test_set,
            {
                "task": {"type": "translation", "name": "Translation"},
                "dataset": {"type": score.test_set, "name": score.test_set},
                "metrics": [],
            },
        )
        details = score.model_dump(exclude={"test_set", "name", "value"}, exclude_none=True)
        result["metrics"].append(
            {
                "type": metric_type(score),
                "name": score.name,
                "value": round(score.value, 2),
                "args": {
                    key: round(value, 2) if isinstance(value, float) else value
                    for key, value in details.items()
                },
            }
        )
    return [{"name": name, "results": list(results.values())}]


def metric_type(score: MeasuredScore) -> str:
    """Return the name of a metric on the hub."""
    return _METRIC_TYPES.get(score.name, score.name.lower())


def split_model_index(index: Any) -> tuple[list[MeasuredScore], list[Any]]:
    """Split the field `model-index` of a model card.

    Returns:
        The scores that `to_model_index` wrote, and the entries that came from elsewhere.
    """
    scores, others = list[MeasuredScore](), list[Any]()
    for entry in index if isinstance(index, list) else []:
        try:
            scores += _scores_of_entry(entry)
        except (LookupError, TypeError, AttributeError, ValidationError):
            others.append(entry)
    return scores, others


def _scores_of_entry(entry: Any) -> list[MeasuredScore]:
    return [
        MeasuredScore(
            test_set=result["dataset"]["name"],
            name=metric["name"],
            value=metric["value"],
            **metric["args"],
        )
        for result in entry["results"]
        for metric in result["metrics"]
    ]

"""Reranking: the best candidate of each n-best list by a weighted sum of features.

With scores of both directions and of a language model, this is noisy channel reranking: Yee et al.
2019 (arXiv:1908.05731), Ng et al. 2019 (arXiv:1907.06616).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtkit.errors import MtkitError
from mtkit.quality.features import Feature, FeatureTable
from mtkit.quality.nbest_lists import NbestList
from mtkit.quality.weights import Weights


class Choice(NamedTuple):
    """The best candidate of a list."""

    text: str
    score: float
    """Weighted sum of its features."""
    rank: int
    """Its place in the list, from 1."""
    features: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the choice as a JSON object."""
        features = {name: round(value, 6) for name, value in self.features.items()}
        return self._asdict() | {"score": round(self.score, 6), "features": features}


def rerank(
    lists: Sequence[NbestList], features: Mapping[str, Feature], weights: Weights
) -> list[Choice]:
    """Choose the best candidate of each list; of equals, the first one.

    Args:
        lists: The lists.
        features: The features; those without a weight are not computed.
        weights: Weights of features.
    Raises:
        MtkitError: See `check_weights`.
    """
    check_weights(weights, features)
    used = {name: feature for name, feature in features.items() if weights.get(name)}
    table = FeatureTable.compute(lists, used)
    weights_F = np.array([weights[name] for name in used])
    return [
        Choice(
            one.candidates[best].text,
            float(values_F @ weights_F),
            int(best) + 1,
            dict(zip(used, values_F.tolist(), strict=True)),
        )
        for one, best, values_F in (
            (one, best, values_KF[best])
            for one, best, values_KF in zip(
                lists, table.best(weights_F), table.values_NKF, strict=True
            )
        )
    ]


def check_weights(weights: Weights, names: Collection[str], required: Collection[str] = ()) -> None:
    """Check that weights are for features that there are.

    Args:
        weights: The weights.
        names: Names of the features.
        required: Features that need a weight, if only 0.
    Raises:
        MtkitError: A feature with a weight is missing, a weight is, or all weights are 0.
    """
    if missing := [name for name in required if name not in weights]:
        raise MtkitError(
            f"there is no weight for {missing[0]}, only for {', '.join(weights)}",
            "tune the weights with the same models and programs, or leave it out",
        )
    if missing := [name for name, weight in weights.items() if weight and name not in names]:
        raise MtkitError(
            f"there is a weight for {missing[0]}, but no such feature; there are "
            f"{', '.join(sorted(names))}",
            "forward needs --forward-model, reverse --reverse-model, any other name --scorer",
        )
    if not any(weights.values()):
        raise MtkitError("all weights are 0", "give at least one feature another weight")

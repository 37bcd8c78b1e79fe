"""Weights of features: a file of them, and their tuning on validation data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import MtkitError
from mtkit.evaluation.corpus_metric import CorpusMetric
from mtkit.io.atomic import atomic_write
from mtkit.io.json_lines import is_number
from mtkit.io.text import read_lines
from mtkit.quality.features import FeatureTable
from mtkit.quality.nbest_lists import NbestList
from mtkit.version import __version__

Weights = Mapping[str, float]
"""Weight of each feature by its name; a feature that is missing has weight 0."""

FORMAT_VERSION = 1


class Tuning(NamedTuple):
    """Weights, and the scores of the validation data by the metric they were tuned on."""

    weights: dict[str, float]
    first: float
    """Score of the first candidate of each line."""
    tuned: float
    """Score of the candidates that the weights choose."""


def tune_weights(
    lists: Sequence[NbestList],
    table: FeatureTable,
    metric: CorpusMetric,
    n_trials: int = 2000,
    seed: int = 1,
) -> Tuning:
    """Search at random for the weights with the best score (Ng et al. 2019, arXiv:1907.06616).

    Each feature alone is tried first. The weights of a trial are uniformly distributed over those
    that add up to 1, relative to the spreads of the features. No weight is negative.

    Args:
        lists: N-best lists of the validation data.
        table: Features of their candidates.
        metric: Metric with the references of the validation data.
        n_trials: Number of random weights.
        seed: Seed of these.
    """
    statistics_NKC = _statistics(lists, metric)
    sign = 1.0 if metric.higher_is_better else -1.0

    def score(chosen_N: NDArray[np.intp]) -> float:
        sums_C = np.take_along_axis(statistics_NKC, chosen_N[:, None, None], axis=1).sum(
            axis=(0, 1)
        )
        return metric.score(sums_C.tolist())

    n_features, spreads_F = len(table.names), table.spreads()
    draws = np.random.default_rng(seed).dirichlet(np.ones(n_features), n_trials)
    best_F, best = np.eye(n_features)[0], -np.inf
    for shares_F in [*np.eye(n_features), *draws]:
        # A feature that does not vary has no effect, whatever its weight.
        weights_F = np.divide(shares_F, spreads_F, out=np.zeros(n_features), where=spreads_F > 0)
        if (found := sign * score(table.best(weights_F))) > best:
            best_F, best = weights_F, found
    scale = best_F.max() or 1.0
    weights = dict(zip(table.names, (best_F / scale).tolist(), strict=True))
    first = score(np.zeros(len(lists), dtype=np.intp))
    return Tuning({name: _rounded(weight) for name, weight in weights.items()}, first, sign * best)


def _statistics(lists: Sequence[NbestList], metric: CorpusMetric) -> NDArray[np.float64]:
    """Return the statistics of each candidate. Shape (N, K, C)."""
    n_candidates = max(len(one.candidates) for one in lists)
    # A list that is shorter is filled up with its first candidate, which is not chosen there.
    columns = (
        [
            (one.candidates[k] if k < len(one.candidates) else one.candidates[0]).text
            for one in lists
        ]
        for k in range(n_candidates)
    )
    return np.stack([metric.statistics(column) for column in columns], axis=1)


def _rounded(weight: float) -> float:
    return float(f"{weight:.6g}")


def save_weights(path: Path, weights: Weights, tuning: Mapping[str, Any]) -> None:
    """Write weights to a file.

    Args:
        path: The file.
        weights: The weights.
        tuning: How they were found, for people.
    """
    tree = {
        "format_version": FORMAT_VERSION,
        "mtkit": __version__,
        "weights": dict(weights),
        "tuning": dict(tuning),
    }
    with atomic_write(path) as stream:
        stream.write(json.dumps(tree, indent=2, ensure_ascii=False).encode() + b"\n")


def load_weights(path: Path) -> dict[str, float]:
    """Read weights from a file.

    Raises:
        MtkitError: The file is not one that `save_weights` wrote.
    """
    hint = "`mtkit rerank --tune FILE` writes such a file"
    try:
        tree: Any = json.loads("\n".join(read_lines(path, what="the weights")))
    except (ValueError, RecursionError):
        tree = {}
    weights = tree.get("weights") if isinstance(tree, dict) else None
    if not isinstance(weights, dict) or not weights or not all(map(is_number, weights.values())):
        raise MtkitError(f"`{path}`: is not a file of weights", hint)
    if tree.get("format_version") != FORMAT_VERSION:
        raise MtkitError(
            f"`{path}`: format version {tree.get('format_version')!r} is unknown", hint
        )
    return {name: float(weight) for name, weight in weights.items()}

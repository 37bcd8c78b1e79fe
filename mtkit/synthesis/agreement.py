"""Dual conditional cross-entropy: how far the models of both directions agree on a pair.

The score of a pair (x, y) is exp(-(|H(y|x) - H(x|y)| + (H(y|x) + H(x|y)) / 2)), where H is the
cross-entropy per token, EOS included, of the model of each direction (Junczys-Dowmunt 2018,
"Dual conditional cross-entropy filtering of noisy parallel corpora"). It lies between 0 and 1, and
is high if both models find the pair probable, and equally so.
"""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtkit.translation.result import PairScore

Keep = float | Literal["knee"]


def dual_cross_entropy(one: float, other: float) -> float:
    """Return the score of a pair from its cross-entropies in both directions."""
    return math.exp(-(abs(one - other) + (one + other) / 2))


def threshold_of(scores: NDArray[np.float64], keep: Keep) -> float:
    """Return the lowest score that is kept.

    Args:
        scores: Scores of all pairs, in any order. Shape (N,), N > 0.
        keep: Share of the pairs to keep; pairs with the same score as the last one are kept too. Or
            `knee`: the scores, sorted from high to low, are a curve, which is cut where it is
            farthest above the line from its first to its last point (Satopää et al. 2011), which
            is where the scores begin to fall. Nothing is dropped if it is nowhere above the line.
    """
    falling = np.sort(scores)[::-1]
    if keep != "knee":
        return float(falling[max(1, math.ceil(keep * len(falling))) - 1])
    drop = falling[0] - falling[-1]
    if len(falling) < 3 or drop == 0:
        return float(falling[-1])
    line = np.linspace(1.0, 0.0, len(falling))
    above = (falling - falling[-1]) / drop - line
    knee = int(above.argmax())
    # The points of a straight line are above it by rounding errors.
    return float(falling[knee] if above[knee] > 1e-9 else falling[-1])


def cross_entropy(score: PairScore) -> float:
    """Return the mean negative log-probability per token, EOS included."""
    return -score.log_prob / max(score.n_tokens, 1)


def parse_scores(lines: Iterable[str]) -> NDArray[np.float64]:
    """Read the scores of `score_translations`; that of a blank translation is NaN."""
    return np.fromiter((float(line) if line else math.nan for line in lines), np.float64)

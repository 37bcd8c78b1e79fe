"""From how two lines look to the odds that one translates the other, fitted to the corpus at hand."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MIN_LOG_ODDS = -6.0
"""No pair of lines says more than this against itself, so that a freak line decides nothing."""

# For association, number of words, square of the length deviation, and 1: about what de-en and ko-en corpora of all kinds ask for.
_PRIOR_WEIGHTS = np.array([3.0, -0.12, -7.0, -1.5])
_PRIOR_DEVIATIONS = np.array([2.0, 0.1, 4.0, 3.0])


class PairFeatures(NamedTuple):
    """How pairs of lines look, in arrays of one shape."""

    association: NDArray[np.float32]
    """As `Lexicon.association` says."""
    n_words: NDArray[np.float32]
    """Words of both lines together: long lines meet by chance more often."""
    length_difference: NDArray[np.float32]
    """Logarithm of the target's length less that of the source's."""
    exists: NDArray[np.bool_]
    """False where there are no such two lines."""

    def at(self, index: Any) -> "PairFeatures":
        """Those at an index of the arrays."""
        return PairFeatures(
            self.association[index],
            self.n_words[index],
            self.length_difference[index],
            self.exists[index],
        )


class MatchClassifier(NamedTuple):
    """A logistic model that tells translations from pairs of lines of the same neighbourhood."""

    weights: NDArray[np.float64]
    usual_difference: float
    """Of lengths."""

    def log_odds(self, features: PairFeatures) -> NDArray[np.float32]:
        """What speaks for each of the lines that a line may translate, against its translating one of them as well as any other.

        This is the logarithm of its probability among them times their number. It is measured within a row, so that a passage unlike the rest of
        the corpus, where translations are freer or the languages others, is not mistaken for mismatched.

        Args:
            features: Shape (n, n_candidates).
        Returns:
            The same shape; 0 where there are no such lines, and where all go equally well.
        """
        total = np.where(
            features.exists, _design_matrix(features, self.usual_difference) @ self.weights, -np.inf
        )
        has_any = features.exists.any(axis=1)
        total[has_any] -= total[has_any].max(axis=1, keepdims=True)
        n_candidates = features.exists.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            baseline = np.log(np.exp(total).sum(axis=1, keepdims=True) / n_candidates)
            return np.where(features.exists, np.maximum(total - baseline, _MIN_LOG_ODDS), 0).astype(
                np.float32
            )


def prior_classifier(usual_difference: float = 0.0) -> MatchClassifier:
    """What to begin with, when nothing is known of the corpus."""
    return MatchClassifier(_PRIOR_WEIGHTS, usual_difference)


def fit_classifier(matches: PairFeatures, mismatches: PairFeatures) -> MatchClassifier:
    """Fit by penalised maximum likelihood, both classes with equal weight; with few lines the result stays near `first_odds`."""
    if not matches.exists.any() or not mismatches.exists.any():
        return prior_classifier()
    difference = float(np.median(matches.length_difference[matches.exists]))
    sides = [
        _design_matrix(features, difference)[features.exists] for features in (matches, mismatches)
    ]
    n_lines = len(sides[0])
    # Signed, so that a good model has every row positive.
    rows = np.concatenate([sides[0], -sides[1]])
    shares = np.repeat([1.0, n_lines / len(sides[1])], [n_lines, len(sides[1])])
    precision = 1 / _PRIOR_DEVIATIONS**2

    def loss(weights: NDArray[np.float64]) -> float:
        return float(
            shares @ np.logaddexp(0, -rows @ weights)
            + precision @ (weights - _PRIOR_WEIGHTS) ** 2 / 2
        )

    weights: NDArray[np.float64] = _PRIOR_WEIGHTS
    for _ in range(20):
        residual = 1 / (1 + np.exp(np.clip(rows @ weights, -50, 50)))
        gradient = precision * (weights - _PRIOR_WEIGHTS) - rows.T @ (shares * residual)
        hessian = (rows * (shares * residual * (1 - residual))[:, None]).T @ rows + np.diag(
            precision
        )
        step = np.linalg.solve(hessian, gradient).astype(np.float64)
        # Newton's step may go too far where the classes hardly overlap.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-6:
            step /= 2
        weights = weights - step
        if np.abs(step).max() < 1e-3:
            break
    # Sides that have nothing to do with each other can look as if equal lengths or words that meet spoke against a translation.
    if weights[0] < 0:
        weights[:2] = 0
    weights[2] = min(weights[2], 0)
    return MatchClassifier(weights, difference)


def _design_matrix(features: PairFeatures, usual_difference: float) -> NDArray[np.float64]:
    deviation = np.minimum((features.length_difference - usual_difference) ** 2, 1)
    return np.stack(
        [features.association, features.n_words, deviation, np.ones_like(deviation)], axis=-1
    ).astype(np.float64)

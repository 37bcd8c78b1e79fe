"""The odds that one line translates another, from features of the pair, fitted to the corpus."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MIN_LOG_ODDS = -6.0
"""Lower limit of the log odds, so that a single unusual pair decides nothing."""

# For association, number of words, squared length deviation and intercept: typical values of de-en
# and ko-en corpora of all kinds.
_PRIOR_WEIGHTS = np.array([3.0, -0.12, -7.0, -1.5])
_PRIOR_DEVIATIONS = np.array([2.0, 0.1, 4.0, 3.0])


class PairFeatures(NamedTuple):
    """Features of pairs of lines, in arrays of one shape."""

    association: NDArray[np.float32]
    """Result of `CooccurrenceTable.association`."""
    n_words: NDArray[np.float32]
    """Number of words of both lines: long lines cooccur by chance more often."""
    length_difference: NDArray[np.float32]
    """Logarithm of the target's length minus that of the source's."""
    exists: NDArray[np.bool_]
    """False if one of the lines does not exist."""

    def at(self, index: Any) -> "PairFeatures":
        """Return the features at an index of the arrays."""
        return PairFeatures._make(values[index] for values in self)


class MatchClassifier(NamedTuple):
    """Logistic regression that separates translations from other pairs of nearby lines."""

    weights: NDArray[np.float64]
    usual_difference: float
    """Typical difference of the logarithms of the lengths."""

    def log_odds(self, features: PairFeatures) -> NDArray[np.float32]:
        """Return the log odds of each candidate translation, relative to a uniform choice.

        They are the logarithm of a candidate's probability times the number of candidates. Within a
        row, a passage that differs from the rest of the corpus, with freer translations or other
        languages, is not mistaken for a mismatch.

        Args:
            features: Shape (n, n_candidates).
        Returns:
            The same shape; 0 for candidates that do not exist, and if all are equally likely.
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
    """Return the classifier that is used before anything is known of the corpus."""
    return MatchClassifier(_PRIOR_WEIGHTS, usual_difference)


def fit_classifier(matches: PairFeatures, mismatches: PairFeatures) -> MatchClassifier:
    """Fit by penalized maximum likelihood, with equal weight of both classes.

    With few lines, the result is close to `prior_classifier`.
    """
    if not matches.exists.any() or not mismatches.exists.any():
        return prior_classifier()
    difference = float(np.median(matches.length_difference[matches.exists]))
    sides = [
        _design_matrix(features, difference)[features.exists] for features in (matches, mismatches)
    ]
    n_lines = len(sides[0])
    # Signed, so that every row of a good model is positive.
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
        # A Newton step can be too long if the classes hardly overlap.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-6:
            step /= 2
        weights = weights - step
        if np.abs(step).max() < 1e-3:
            break
    # For unrelated sides, equal lengths or cooccurring words can seem to be evidence against a
    # translation.
    if weights[0] < 0:
        weights[:2] = 0
    weights[2] = min(weights[2], 0)
    return MatchClassifier(weights, difference)


def _design_matrix(features: PairFeatures, usual_difference: float) -> NDArray[np.float64]:
    deviation = np.minimum((features.length_difference - usual_difference) ** 2, 1)
    return np.stack(
        [features.association, features.n_words, deviation, np.ones_like(deviation)], axis=-1
    ).astype(np.float64)

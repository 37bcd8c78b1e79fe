"""Features of the candidates of n-best lists. A higher value is better for each of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.io.progress import progress
from mtkit.quality.nbest_lists import NbestList
from mtkit.quality.pair_scores import PairScores
from mtkit.translation.mbr import utilities

Feature = Callable[[Sequence[NbestList]], Iterable[float]]
"""Returns a value for each candidate of each list, in order."""


class FeatureTable(NamedTuple):
    """Features of all candidates."""

    names: tuple[str, ...]
    """Names of the features."""
    values_NKF: NDArray[np.float64]
    """Features of candidate k of line n; 0 where a list is shorter."""
    has_one_NK: NDArray[np.bool_]
    """Whether line n has a candidate k."""

    @classmethod
    def compute(cls, lists: Sequence[NbestList], features: Mapping[str, Feature]) -> "FeatureTable":
        """Compute features by their names."""
        lengths_N = np.array([len(one.candidates) for one in lists], dtype=int)
        has_one_NK = np.arange(lengths_N.max(initial=1)) < lengths_N[:, None]
        values_NKF = np.zeros((*has_one_NK.shape, len(features)))
        for index, feature in enumerate(features.values()):
            values_NKF[has_one_NK, index] = np.fromiter(feature(lists), float, lengths_N.sum())
        return cls(tuple(features), values_NKF, has_one_NK)

    def best(self, weights_F: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the index of the candidate of each line with the highest weighted sum. Shape (N,).

        Of equals, the first one is the best.
        """
        return np.where(self.has_one_NK, self.values_NKF @ weights_F, -np.inf).argmax(axis=1)

    def spreads(self) -> NDArray[np.float64]:
        """Return the standard deviation of each feature among the candidates of a line.

        That is the root of its mean variance over the lines with several candidates. Shape (F,).
        """
        rows = [
            line_KF[is_one_K].var(axis=0)
            for line_KF, is_one_K in zip(self.values_NKF, self.has_one_NK, strict=True)
            if is_one_K.sum() > 1
        ]
        return np.sqrt(np.mean(rows, axis=0)) if rows else np.zeros(len(self.names))


def list_scores(lists: Sequence[NbestList]) -> Iterator[float]:
    """Yield the scores that the lists contain. A `Feature`."""
    return (candidate.score for one in lists for candidate in one.candidates)


def similarities(lists: Sequence[NbestList]) -> Iterator[float]:
    """Yield the mean chrF of each candidate with each of the others as the reference, from 0 to 1.

    The candidate with the highest value is that of minimum Bayes risk decoding, see
    `mtkit.translation.mbr`. A `Feature`.
    """
    with progress("Comparing", len(lists)) as bar:
        for one in lists:
            utilities_KK = utilities([candidate.text for candidate in one.candidates])
            sums_K = utilities_KK.sum(axis=1) - np.diagonal(utilities_KK)
            yield from (sums_K / (100 * max(1, len(sums_K) - 1))).tolist()
            bar.advance()


def of_pairs(scores: PairScores) -> Feature:
    """Return the `Feature` that is a score of each source with its candidate."""
    return lambda lists: scores(
        [(source, one.text) for source, candidates in lists for one in candidates]
    )

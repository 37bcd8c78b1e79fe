"""Which pairs have sides of a length that does not fit: not by a fixed ratio, but by what is usual in the corpus itself."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_LENGTHS = 16
"""Classes of pairs by their length, each up to twice as long as the one before: the ratio of short sentences varies more."""
BIN_WIDTH = 0.02
N_BINS = 601
"""Bins of the logarithm of the ratio, the middle one at 0; what is beyond a factor of 400 falls into the last."""
MIN_PAIRS = 100
"""Pairs by which the usual ratio of a class is judged; a class with fewer looks at its neighbours too."""
MAX_DEVIATIONS = 5.0
"""Robust standard deviations from the median that are not unusual yet."""
MIN_FACTOR = 2.0
"""Nor is what differs from the median by less than this."""
MIN_DEVIATION = 0.05
_MAD_TO_SD = 1.4826
_NO_LINE = np.iinfo(np.int64).max


class Outliers(NamedTuple):
    """Pairs with sides of a length that does not fit."""

    n: int
    lines: list[int]
    """Some of them, the worst first."""
    usual: float
    """Characters of the target for each of the source: the median of all pairs."""


class RatioHistogram:
    """Counts pairs by length and by the ratio of their sides. Two of them can be added, and its size is fixed."""

    def __init__(self) -> None:
        self._counts = np.zeros((N_LENGTHS, N_BINS), np.int64)
        self._first_line = np.full((N_LENGTHS, N_BINS), _NO_LINE, np.int64)

    def add(
        self,
        lines: NDArray[np.int64],
        src_lengths: NDArray[np.int64],
        tgt_lengths: NDArray[np.int64],
    ) -> None:
        """Count pairs.

        Args:
            lines: Their numbers.
            src_lengths: Characters of the source, at least 1.
            tgt_lengths: The same of the target. Shape (pairs,) each.
        """
        ratio = np.log(tgt_lengths / src_lengths)
        bins = np.clip(np.rint(ratio / BIN_WIDTH).astype(np.int64) + N_BINS // 2, 0, N_BINS - 1)
        classes = np.minimum(np.log2(src_lengths + tgt_lengths).astype(np.int64), N_LENGTHS - 1)
        np.add.at(self._counts, (classes, bins), 1)
        np.minimum.at(self._first_line, (classes, bins), lines)

    def merge(self, other: "RatioHistogram") -> None:
        """Add what another counted."""
        self._counts += other._counts
        self._first_line = np.minimum(self._first_line, other._first_line)

    def outliers(self) -> Outliers:
        """The pairs whose ratio is far from the median of pairs of about their length, measured by the median deviation (MAD) of these."""
        total = self._counts.sum(axis=0)
        if total.sum() < MIN_PAIRS:
            return Outliers(0, [], _to_ratio(_median(total)) if total.any() else 1.0)
        is_far = np.zeros_like(self._counts, np.bool_)
        distance = np.zeros(self._counts.shape)
        for number in np.flatnonzero(self._counts.sum(axis=1)):
            usual, deviation = _median_and_deviation(self._pairs_of_similar_length(int(number)))
            distance[number] = np.abs(_LOG_RATIOS - usual) / deviation
            is_far[number] = (distance[number] > MAX_DEVIATIONS) & (
                np.abs(_LOG_RATIOS - usual) > np.log(MIN_FACTOR)
            )
        is_far &= self._counts > 0
        worst_first = np.argsort(-distance[is_far], kind="stable")
        return Outliers(
            int(self._counts[is_far].sum()),
            self._first_line[is_far][worst_first].tolist(),
            _to_ratio(_median(total)),
        )

    def _pairs_of_similar_length(self, number: int) -> NDArray[np.int64]:
        """Pairs of about this length, at least MIN_PAIRS where there are so many."""
        for reach in range(N_LENGTHS):
            counts = self._counts[max(0, number - reach) : number + reach + 1].sum(axis=0)
            if counts.sum() >= MIN_PAIRS:
                break
        return counts


_LOG_RATIOS = (np.arange(N_BINS) - N_BINS // 2) * BIN_WIDTH


def _to_ratio(log_ratio: float) -> float:
    return float(np.exp(log_ratio))


def _median(counts: NDArray[np.int64]) -> float:
    return float(_LOG_RATIOS[np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2)])


def _median_and_deviation(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Median and robust standard deviation."""
    usual = _median(counts)
    deviations = np.abs(_LOG_RATIOS - usual)
    order = np.argsort(deviations, kind="stable")
    middle = np.searchsorted(np.cumsum(counts[order]), (counts.sum() + 1) // 2)
    return usual, max(_MAD_TO_SD * float(deviations[order][middle]), MIN_DEVIATION)

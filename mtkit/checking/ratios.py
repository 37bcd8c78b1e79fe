"""Find pairs with an unusual length ratio, relative to what is typical in the corpus."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_LENGTHS = 16
"""Number of length classes, each twice as long as the one before: ratios of short sentences vary
more.
"""
BIN_WIDTH = 0.02
N_BINS = 601
"""Number of bins of the logarithm of the ratio, the middle one at 0; the outer bins include all
ratios beyond a factor of 400.
"""
MIN_PAIRS = 100
"""Minimum number of pairs that determine a typical ratio; a class with fewer uses adjacent
classes.
"""
MAX_DEVIATIONS = 5.0
"""Number of robust standard deviations from the median that is still accepted."""
MIN_FACTOR = 2.0
"""Factor from the median that is still accepted."""
MIN_DEVIATION = 0.05
_MAD_TO_SD = 1.4826
_NO_LINE = np.iinfo(np.int64).max


class Outliers(NamedTuple):
    """Pairs with an unusual length ratio."""

    n: int
    lines: list[int]
    """Some of them, the most unusual first."""
    usual: float
    """Characters of the target per character of the source: the median of all pairs."""


class RatioHistogram:
    """Histogram of pairs by length and length ratio, of fixed size; two of them can be merged."""

    def __init__(self) -> None:
        self._counts = np.zeros((N_LENGTHS, N_BINS), np.int64)
        self._first_line = np.full((N_LENGTHS, N_BINS), _NO_LINE, np.int64)

    def add(
        self,
        lines: NDArray[np.int64],
        src_lengths: NDArray[np.int64],
        tgt_lengths: NDArray[np.int64],
    ) -> None:
        """Add pairs.

        Args:
            lines: Line numbers.
            src_lengths: Characters of the source, at least 1.
            tgt_lengths: Characters of the target, at least 1. Shape (pairs,) each.
        """
        ratio = np.log(tgt_lengths / src_lengths)
        bins = np.clip(np.rint(ratio / BIN_WIDTH).astype(np.int64) + N_BINS // 2, 0, N_BINS - 1)
        classes = np.minimum(np.log2(src_lengths + tgt_lengths).astype(np.int64), N_LENGTHS - 1)
        np.add.at(self._counts, (classes, bins), 1)
        np.minimum.at(self._first_line, (classes, bins), lines)

    def merge(self, other: "RatioHistogram") -> None:
        """Add the counts of another histogram."""
        self._counts += other._counts
        self._first_line = np.minimum(self._first_line, other._first_line)

    def outliers(self) -> Outliers:
        """Find pairs whose ratio is far from the median for their length, in units of the MAD."""
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
        """Return the counts of pairs of about this length, at least MIN_PAIRS if possible."""
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
    """Return median and robust standard deviation."""
    usual = _median(counts)
    deviations = np.abs(_LOG_RATIOS - usual)
    order = np.argsort(deviations, kind="stable")
    middle = np.searchsorted(np.cumsum(counts[order]), (counts.sum() + 1) // 2)
    return usual, max(_MAD_TO_SD * float(deviations[order][middle]), MIN_DEVIATION)

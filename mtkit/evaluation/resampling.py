"""Resampled test sets, intervals and tests of significance, with sacreBLEU's random numbers.

The bootstrap draws segments with replacement (Koehn 2004); approximate randomization exchanges the
outputs of two systems for random segments (Riezler and Maxwell 2005).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CHUNK_ELEMENTS = 1 << 22
_DRAW_BITS = 32
"""numpy draws booleans in words of this size, and drops the rest of a word at the end of a call."""


@dataclass(frozen=True)
class Resampling:
    """Settings of intervals and tests."""

    n_bootstrap: int = 1000
    """Resamples for intervals, and for the paired bootstrap test."""
    test: Literal["ar", "bs"] = "ar"
    """ar is paired approximate randomization, bs the paired bootstrap."""
    n_trials: int = 10_000
    """Trials of approximate randomization."""
    seed: int = 12345
    """Seed of the random numbers; the default is that of sacreBLEU."""


def bootstrap_sums(rows: Floats, n_samples: int, seed: int) -> Floats:
    """Return the sums over resampled segments.

    Args:
        rows: Shape (segments, columns).
        n_samples: Number of resamples.
        seed: Seed of the random numbers.
    Returns:
        Shape (n_samples, columns).
    """
    n_segments = len(rows)
    rng = np.random.default_rng(seed)
    sums = np.empty((n_samples, rows.shape[1]))
    for start, end in _chunks(n_samples, n_segments):
        drawn = rng.choice(n_segments, size=(end - start, n_segments))
        counts = np.stack([np.bincount(sample, minlength=n_segments) for sample in drawn])
        sums[start:end] = counts.astype(np.float64) @ rows
    return sums


def selection_sums(rows: Floats, n_trials: int, seed: int) -> Floats:
    """Return the sums over random halves of the segments, those whose outputs are not exchanged.

    Args:
        rows: Shape (segments, columns).
        n_trials: Number of trials.
        seed: Seed of the random numbers.
    Returns:
        Shape (n_trials, columns).
    """
    rng = np.random.default_rng(seed)
    sums = np.empty((n_trials, rows.shape[1]))
    for start, end in _chunks(n_trials, len(rows)):
        is_kept = rng.integers(2, size=(end - start, len(rows)), dtype=bool)
        sums[start:end] = is_kept.astype(np.float64) @ rows
    return sums


def resample(
    sums: Callable[[Floats, int, int], Floats], parts: Sequence[Floats], n: int, seed: int
) -> list[Floats]:
    """Resample several statistics of the same segments together.

    Args:
        sums: `bootstrap_sums` or `selection_sums`.
        parts: Each of shape (segments, columns).
        n: Number of resamples.
        seed: Seed of the random numbers.
    Returns:
        For each part, shape (n, columns).
    """
    ends = np.cumsum([part.shape[1] for part in parts])
    return np.split(sums(np.hstack(parts), n, seed), ends[:-1], axis=1)


def percentile_interval(samples: Floats) -> tuple[float, float]:
    """Return the ends of the 95 % interval: the values below and above which are 2.5 %."""
    ordered = np.sort(samples)
    n_outside = len(ordered) // 40
    return float(ordered[n_outside]), float(ordered[-1 - n_outside])


def bootstrap_p(differences: Floats, actual: float) -> float:
    """Return the p-value of a difference by the paired bootstrap.

    Args:
        differences: Differences of two systems on resampled segments.
        actual: Their difference on all segments.
    """
    sizes = np.abs(differences)
    return _p_value(sizes - sizes.mean(), actual)


def randomization_p(differences: Floats, actual: float) -> float:
    """Return the p-value of a difference by approximate randomization.

    Args:
        differences: Differences after exchanging random outputs.
        actual: Difference of the systems.
    """
    return _p_value(np.abs(differences), actual)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tests (Holm 1979), in the given order."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def sign_test(n_more: int, n_fewer: int) -> float:
    """Return the p-value of a two-sided exact sign test.

    Args:
        n_more: Segments in which one system is worse.
        n_fewer: Segments in which the other is; segments without a difference do not count.
    """
    n = n_more + n_fewer
    tail = sum(math.comb(n, k) for k in range(min(n_more, n_fewer) + 1))
    return min(1.0, 2 * tail / 2**n)


def _p_value(statistics: Floats, actual: float) -> float:
    return (int(np.sum(statistics > abs(actual))) + 1) / (len(statistics) + 1)


def _chunks(n: int, n_segments: int) -> Iterator[tuple[int, int]]:
    """Split n resamples so that the memory is limited and the random numbers do not change."""
    size = max(1, _CHUNK_ELEMENTS // n_segments // _DRAW_BITS) * _DRAW_BITS
    return ((start, min(start + size, n)) for start in range(0, n, size))

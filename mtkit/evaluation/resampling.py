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


def draw_bootstrap(rng: np.random.Generator, n_samples: int, n_segments: int) -> Floats:
    """Draw how often each segment occurs in a resample, of as many segments with replacement.

    Returns:
        Shape (n_samples, n_segments).
    """
    drawn = rng.choice(n_segments, size=(n_samples, n_segments))
    counts = np.stack([np.bincount(sample, minlength=n_segments) for sample in drawn])
    return counts.astype(np.float64)


def draw_halves(rng: np.random.Generator, n_trials: int, n_segments: int) -> Floats:
    """Draw which segments keep their outputs, each with a probability of one half.

    Returns:
        1 where the outputs are kept, 0 where they are exchanged. Shape (n_trials, n_segments).
    """
    return rng.integers(2, size=(n_trials, n_segments), dtype=bool).astype(np.float64)


def resample(
    draw: Callable[[np.random.Generator, int, int], Floats],
    parts: Sequence[Floats],
    n: int,
    seed: int,
) -> list[Floats]:
    """Sum several statistics of the same segments over resamples.

    Args:
        draw: `draw_bootstrap` or `draw_halves`.
        parts: Each of shape (segments, columns).
        n: Number of resamples.
        seed: Seed of the random numbers.
    Returns:
        For each part, the sums over each resample. Shape (n, columns).
    """
    rows = np.hstack(parts)
    rng = np.random.default_rng(seed)
    sums = np.empty((n, rows.shape[1]))
    for start, end in _chunks(n, len(rows)):
        sums[start:end] = draw(rng, end - start, len(rows)) @ rows
    ends = np.cumsum([part.shape[1] for part in parts])
    return np.split(sums, ends[:-1], axis=1)


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

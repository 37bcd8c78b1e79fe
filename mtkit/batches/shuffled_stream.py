"""A corpus as an endless stream: gone through again and again, each time in another order."""

import numpy as np

from mtkit.batches.bucketing import Indices
from mtkit.corpus.store.ragged_ids import range_indices

CHUNK = 1024
"""Rows of a large corpus that stay together, so that it is read in long stretches and its order takes little memory."""


class ShuffledStream:
    """The endless stream of a corpus' rows; every place in it is known from the seed alone.

    Args:
        n_rows: Of the corpus; at least 1.
        seed: Of the order; not negative.
        corpus: Number of the corpus, so that two of equal size come in different orders.
        chunk: Rows that stay together; 1 in a corpus of moderate size.
    """

    def __init__(self, n_rows: int, seed: int, corpus: int, chunk: int = 1) -> None:
        self._n_rows, self._seed, self._corpus, self._chunk = n_rows, seed, corpus, chunk

    def rows(self, begin: int, end: int) -> Indices:
        """The rows at the places from begin to end of the stream, in rising order. Shape (end - begin,)."""
        n = self._n_rows
        (first, start), (last, stop) = divmod(begin, n), divmod(end, n)
        if first == last:
            return self._part(first, start, stop)
        parts = [self._part(first, start, n), self._part(last, 0, stop)]
        if last - first > 1:
            # In rising order it does not matter how the passes between were ordered.
            parts.append(np.repeat(np.arange(n), last - first - 1))
        return np.sort(
            np.concatenate(parts), kind="stable"
        )  # which is quick to merge what is sorted

    def _part(self, number: int, start: int, stop: int) -> Indices:
        """The rows at these places of one pass, in rising order."""
        if start >= stop:
            return np.empty(0, np.int64)
        if stop - start == self._n_rows:
            return np.arange(self._n_rows)
        rng = np.random.default_rng(
            np.random.SeedSequence(self._seed, spawn_key=(self._corpus, number))
        )
        firsts = rng.permutation(-(-self._n_rows // self._chunk)) * self._chunk
        lengths = np.minimum(self._chunk, self._n_rows - firsts)
        ends = np.cumsum(lengths)
        begin, last = np.searchsorted(ends, [start, stop - 1], side="right")
        n_before, n_after = start - (ends[begin] - lengths[begin]), ends[last] - stop
        firsts, lengths = firsts[begin : last + 1], lengths[begin : last + 1]
        firsts[0] += n_before
        lengths[0] -= n_before
        lengths[-1] -= n_after
        rising = np.argsort(firsts)
        return range_indices(firsts[rising], lengths[rising])

"""A corpus as an endless stream of rows, reshuffled in each pass."""

import numpy as np

from mtkit.batches.bucketing import Indices
from mtkit.corpus.store.ragged_ids import range_indices

CHUNK = 1024
"""Consecutive rows of a large corpus that are shuffled as one: sequential reads, a small order."""


class ShuffledStream:
    """The endless stream of a corpus' rows; each position depends on the seed only.

    Args:
        n_rows: Rows of the corpus; at least 1.
        seed: Seed of the order; not negative.
        corpus: Number of the corpus, so that two of the same size are ordered differently.
        chunk: Consecutive rows that are shuffled as one; 1 for a corpus of moderate size.
    """

    def __init__(self, n_rows: int, seed: int, corpus: int, chunk: int = 1) -> None:
        self._n_rows, self._seed, self._corpus, self._chunk = n_rows, seed, corpus, chunk

    def rows(self, begin: int, end: int) -> Indices:
        """Return the rows at stream positions begin to end, in ascending order.

        Shape (end - begin,).
        """
        n = self._n_rows
        (first, start), (last, stop) = divmod(begin, n), divmod(end, n)
        if first == last:
            return self._part(first, start, stop)
        parts = [self._part(first, start, n), self._part(last, 0, stop)]
        if last - first > 1:
            # The result is sorted, so the order of complete passes does not matter.
            parts.append(np.repeat(np.arange(n), last - first - 1))
        # A stable sort merges runs that are already sorted.
        return np.sort(np.concatenate(parts), kind="stable")

    def _part(self, number: int, start: int, stop: int) -> Indices:
        """Return the rows at some positions of one pass, in ascending order."""
        if start >= stop:
            return np.empty(0, np.int64)
        if stop - start == self._n_rows:
            return np.arange(self._n_rows)
        seed = np.random.SeedSequence(self._seed, spawn_key=(self._corpus, number))
        rng = np.random.default_rng(seed)
        firsts = rng.permutation(-(-self._n_rows // self._chunk)) * self._chunk
        lengths = np.minimum(self._chunk, self._n_rows - firsts)
        ends = np.cumsum(lengths)
        begin, last = np.searchsorted(ends, [start, stop - 1], side="right")
        n_before, n_after = start - (ends[begin] - lengths[begin]), ends[last] - stop
        firsts, lengths = firsts[begin : last + 1], lengths[begin : last + 1]
        firsts[0] += n_before
        lengths[0] -= n_before
        lengths[-1] -= n_after
        ascending = np.argsort(firsts)
        return range_indices(firsts[ascending], lengths[ascending])

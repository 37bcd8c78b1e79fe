"""Rows of ids of different lengths in one array, which numpy processes without a loop."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray


class RaggedIds(NamedTuple):
    """Ids of sentences, concatenated, without BOS and EOS."""

    ids: NDArray[np.integer]
    """Shape (sum of lengths,)."""
    lengths: NDArray[np.int64]
    """Length of each sentence. Shape (B,)."""

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]], dtype: npt.DTypeLike = np.int64) -> Self:
        """Concatenate lists of ids."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        ids = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
        return cls(ids.astype(dtype), lengths)

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[np.integer]]) -> Self:
        """Concatenate the arrays of at least one sentence."""
        return cls(np.concatenate(rows), np.array([len(row) for row in rows], dtype=np.int64))

    def select(self, is_kept: NDArray[np.bool_]) -> "RaggedIds":
        """Select sentences."""
        return RaggedIds(self.ids[np.repeat(is_kept, self.lengths)], self.lengths[is_kept])

    def rows(self) -> list[NDArray[np.integer]]:
        """Split into one array per sentence."""
        return np.split(self.ids, np.cumsum(self.lengths)[:-1])


def range_indices(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenate the ranges start, start + 1, ... of given lengths.

    Args:
        starts: First index of each range. Shape (B,).
        lengths: Length of each range. Shape (B,).
    Returns:
        Shape (sum of lengths,).
    """
    shifts = starts - (np.cumsum(lengths) - lengths)
    return np.repeat(shifts, lengths) + np.arange(int(lengths.sum()))

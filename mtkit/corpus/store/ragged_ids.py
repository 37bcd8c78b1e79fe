"""Some sentences of one side as one array, which numpy handles without a loop over sentences."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class RaggedIds(NamedTuple):
    """Ids of sentences, one after the other, without BOS and EOS."""

    ids: NDArray[np.integer]
    """Shape (sum of lengths,)."""
    lengths: NDArray[np.int64]
    """Ids in each sentence. Shape (B,)."""

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[np.integer]]) -> Self:
        """Sentences that are arrays of their own; at least one."""
        return cls(np.concatenate(rows), np.array([len(row) for row in rows], dtype=np.int64))

    def rows(self) -> list[NDArray[np.integer]]:
        """Each sentence as an array of its own."""
        return np.split(self.ids, np.cumsum(self.lengths)[:-1])


def range_indices(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """start, start + 1, ... of each stretch, one stretch after the other.

    Args:
        starts: Where each stretch begins. Shape (B,).
        lengths: How long it is. Shape (B,).
    Returns:
        Shape (sum of lengths,).
    """
    shifts = starts - (np.cumsum(lengths) - lengths)
    return np.repeat(shifts, lengths) + np.arange(int(lengths.sum()))

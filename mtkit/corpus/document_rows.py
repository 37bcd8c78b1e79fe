"""Documents as rows of pairs: which rows follow the row before them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.sentence_pair import SentencePair

BEFORE_FIRST = -1
"""A position that no pair follows."""


def follows_previous(positions: NDArray[np.int64], last: int = BEFORE_FIRST) -> NDArray[np.bool_]:
    """Return whether each pair follows the pair before it in the same document.

    Args:
        positions: Positions of pairs in ascending order, see `read_positions`. Shape (N,).
        last: Position of the pair before these, if it is of the same corpus.
    """
    return np.diff(positions, prepend=last) == 1


class DocumentTracker:
    """Finds the pairs that follow the pair before them, in corpora that come in several parts."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        """Position of the last pair of each corpus."""

    def follows(self, corpus: int, positions: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
        """Return whether each pair of the next part follows the one before it.

        Args:
            corpus: Index of the corpus.
            positions: Positions of the pairs of the part. Shape (N,). None without documents.
        """
        if positions is None:
            return None
        found = follows_previous(positions, self._last.get(corpus, BEFORE_FIRST))
        if len(positions):
            self._last[corpus] = int(positions[-1])
        return found


def count_previous(
    follows: NDArray[np.bool_ | np.uint8], rows: NDArray[np.int64], limit: int
) -> NDArray[np.int64]:
    """Return how many rows before each belong to the same document, up to a limit.

    Args:
        follows: Whether each row follows the one before it; False for the first. Shape (N,).
        rows: Some of the rows. Shape (B,).
        limit: Maximum number to count.
    Returns:
        Shape (B,).
    """
    n_previous = np.zeros(len(rows), np.int64)
    is_open = np.ones(len(rows), np.bool_)
    for distance in range(limit):
        # The first row follows none, so no index is negative.
        is_open[is_open] = follows[rows[is_open] - distance] > 0
        n_previous += is_open
    return n_previous


def previous_sources(
    pairs: Sequence[SentencePair], positions: NDArray[np.int64], n: int
) -> list[tuple[str, ...]]:
    """Return the sources before each pair in its document, up to n, the oldest first.

    Args:
        pairs: Pairs in order.
        positions: Their positions.
        n: Maximum number of sources.
    """
    n_previous = count_previous(follows_previous(positions), np.arange(len(pairs)), n)
    return [
        tuple(pair.src for pair in pairs[i - count : i])
        for i, count in enumerate(n_previous.tolist())
    ]

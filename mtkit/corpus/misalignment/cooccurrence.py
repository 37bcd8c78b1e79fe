"""Which words of one language go with which of the other, counted from the corpus itself: how alike are two lines?"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.word_hashes import HashedWords, mix

N_WORDS = 20
"""Words of a line that are looked at, the rarest first."""

_FREQUENCY_BITS = 22
_TABLE_BITS = 24
_SHRINKAGE = 2.0
"""What is added to the count and to the expected count of a pair of words, so that one meeting proves little."""
_CHUNK_LINES = 4096

Indices = NDArray[np.int64]


class InformativeWords(NamedTuple):
    """The telling words of the lines of one side."""

    hashes: NDArray[np.uint32]
    """Shape (n_lines, N_WORDS), 0 where a line has fewer; in each row the rarest word first."""
    n_words: NDArray[np.int64]
    """Shape (n_lines,)."""
    log_lengths: NDArray[np.float32]
    """Shape (n_lines,), as in `HashedWords`."""


class CooccurrenceTable:
    """Counts how often words of the two sides meet in lines that are paired, and scores pairs of lines by it.

    The memory is the same for every corpus: words and pairs of words are hashed into tables, 100 MB in all.
    """

    def __init__(self, src: HashedWords, tgt: HashedWords) -> None:
        self._frequencies = tuple(
            np.bincount(_cells(side.hashes), minlength=1 << _FREQUENCY_BITS).astype(np.float32)
            for side in (src, tgt)
        )
        self._n_lines = max(1, len(src.log_lengths))
        self._table = np.zeros(1 << _TABLE_BITS, dtype=np.int32)
        self._n_pairs = self._n_counts = 0

    def select_words(self, words: HashedWords, *, is_tgt: bool) -> InformativeWords:
        """Choose a side's telling words: the rarest, but of those seen once only the ones that the other side has too, such as names and numbers."""
        frequency, other_frequency = (
            table[_cells(words.hashes)] for table in self._frequencies[:: -1 if is_tgt else 1]
        )
        is_informative = (frequency > 1) | (other_frequency > 0)
        hashes, rows, frequency = (
            words.hashes[is_informative],
            words.rows[is_informative],
            frequency[is_informative],
        )
        order = np.lexsort((hashes, frequency, rows))
        hashes, rows = hashes[order], rows[order]
        n_lines = len(words.log_lengths)
        column = np.arange(len(rows)) - np.searchsorted(rows, np.arange(n_lines))[rows]
        is_selected = column < N_WORDS
        selected = np.zeros((n_lines, N_WORDS), dtype=np.uint32)
        selected[rows[is_selected], column[is_selected]] = hashes[is_selected]
        return InformativeWords(selected, np.count_nonzero(selected, axis=1), words.log_lengths)

    def reset(self) -> None:
        """Start counting anew."""
        self._table[:] = 0
        self._n_pairs = self._n_counts = 0

    def add_pairs(
        self, src: InformativeWords, tgt: InformativeWords, i: Indices, j: Indices
    ) -> None:
        """Take line `i[n]` of the source as paired with line `j[n]` of the target."""
        self._n_pairs += len(i)
        for _, a, b in _chunks(src, tgt, i, j):
            both = (a != 0)[:, :, None] & (b != 0)[:, None, :]
            cells = _pair_cells(a, b)[both]
            np.add.at(self._table, cells, np.int32(1))
            self._n_counts += len(cells)

    def association(
        self,
        src: InformativeWords,
        tgt: InformativeWords,
        i: Indices,
        j: Indices,
        n_counted: NDArray,
    ) -> NDArray[np.float32]:
        """How well line `i[n]` of the source and line `j[n]` of the target go together.

        Each word is held against that word of the other line which it meets most often beyond chance: log((c + 2) / (e + 2)) for c meetings where
        e were expected, or 0. An equal word counts as one meeting more. These logarithms are summed over the words of both lines and divided by
        the geometric mean of their numbers.

        Args:
            src: The lines of the source.
            tgt: The lines of the target.
            i: Shape (n,).
            j: Shape (n,).
            n_counted: How often this very pair was counted, which proves nothing. Shape (n,).
        Returns:
            Shape (n,); 0 where nothing speaks for the pair, 1 to 4 for translations.
        """
        out = np.zeros(len(i), dtype=np.float32)
        per_cell = np.float32(self._n_counts / len(self._table))
        rate = np.float32(self._n_pairs / self._n_lines**2)
        for n, a, b in _chunks(src, tgt, i, j):
            count = self._table[_pair_cells(a, b)].astype(np.float32)
            # Other pairs of words share the cell.
            count -= (per_cell + n_counted[n].astype(np.float32))[:, None, None]
            np.maximum(count, 0, out=count)
            count += a[:, :, None] == b[:, None, :]
            expected = (
                self._frequency(0, a)[:, :, None] * (self._frequency(1, b) * rate)[:, None, :]
            )
            ratio = (count + np.float32(_SHRINKAGE)) / (expected + np.float32(_SHRINKAGE))
            np.maximum(ratio, 1, out=ratio)
            total = np.log(ratio.max(axis=2)).sum(axis=1) + np.log(ratio.max(axis=1)).sum(axis=1)
            out[n] = total / np.sqrt(np.maximum(src.n_words[i[n]] * tgt.n_words[j[n]], 1))
        return out

    def _frequency(self, side: int, hashes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """In how many lines; more than there are for the empty places of a row, so that they are expected everywhere."""
        return np.where(hashes == 0, np.float32(1e9), self._frequencies[side][_cells(hashes)])


def _cells(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return hashes >> np.uint32(32 - _FREQUENCY_BITS)


def _pair_cells(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The cell of each word of `a` with each of `b`; shapes (n, A) and (n, B) give (n, A, B)."""
    a, b = (
        mix(side.astype(np.uint64) + np.uint64(salt << 32)).astype(np.uint32)
        for salt, side in ((1, a), (2, b))
    )
    return (a[:, :, None] + b[:, None, :]) >> np.uint32(32 - _TABLE_BITS)


def _chunks(
    src: InformativeWords, tgt: InformativeWords, i: Indices, j: Indices
) -> Iterator[tuple[Indices, NDArray[np.uint32], NDArray[np.uint32]]]:
    """Pairs of lines with about equally many words at a time, without the places that are empty in all of them."""
    n_words = np.maximum(src.n_words[i], tgt.n_words[j])
    order = np.argsort(n_words, kind="stable")
    for first in range(0, len(order), _CHUNK_LINES):
        n = order[first : first + _CHUNK_LINES]
        width = n_words[n[-1]]
        if width:
            yield n, src.hashes[i[n], :width], tgt.hashes[j[n], :width]

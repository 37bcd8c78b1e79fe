"""Cooccurrence counts of source and target words, and the association of two lines."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.word_hashes import HashedWords, mix

N_WORDS = 20
"""Number of words per line that are used, the rarest ones."""

_MAX_FREQUENCY_BITS, _MAX_TABLE_BITS = 22, 24
"""Logarithms of the numbers of cells, which are reached at 2^16 words or 2^12 lines."""
_SHRINKAGE = 2.0
"""Added to observed and expected counts, so that a single cooccurrence proves little."""
_CHUNK_LINES = 4096

Indices = NDArray[np.int64]


class InformativeWords(NamedTuple):
    """The informative words of the lines of one side."""

    hashes: NDArray[np.uint32]
    """Shape (n_lines, N_WORDS), padded with 0; in each row the rarest word first."""
    n_words: NDArray[np.int64]
    """Shape (n_lines,)."""
    log_lengths: NDArray[np.float32]
    """Shape (n_lines,), as in `HashedWords`."""


class CooccurrenceTable:
    """Counts cooccurrences of source and target words in paired lines, and scores pairs of lines.

    The memory is bounded: words and pairs of words are hashed into tables of at most 100 MB in all.
    """

    def __init__(self, src: HashedWords, tgt: HashedWords) -> None:
        n_words = max(len(side.hashes) for side in (src, tgt))
        self._frequency_bits = min(_MAX_FREQUENCY_BITS, n_words.bit_length() + 6)
        self._frequencies = tuple(
            np.bincount(self._cells(side.hashes), minlength=1 << self._frequency_bits).astype(
                np.float32
            )
            for side in (src, tgt)
        )
        self._n_lines = max(1, len(src.log_lengths))
        self._table_bits = min(_MAX_TABLE_BITS, self._n_lines.bit_length() + 12)
        self._table = np.zeros(1 << self._table_bits, dtype=np.int32)
        self._n_pairs = self._n_counts = 0

    def select_words(self, words: HashedWords, *, is_tgt: bool) -> InformativeWords:
        """Select the informative words of a side: the rarest ones.

        Words that occur once are used only if they occur on the other side too, such as names and
        numbers.
        """
        frequency, other_frequency = (
            table[self._cells(words.hashes)] for table in self._frequencies[:: -1 if is_tgt else 1]
        )
        is_informative = (frequency > 1) | (other_frequency > 0)
        hashes = words.hashes[is_informative]
        rows = words.rows[is_informative]
        frequency = frequency[is_informative]
        order = np.lexsort((hashes, frequency, rows))
        hashes, rows = hashes[order], rows[order]
        n_lines = len(words.log_lengths)
        column = np.arange(len(rows)) - np.searchsorted(rows, np.arange(n_lines))[rows]
        is_selected = column < N_WORDS
        selected = np.zeros((n_lines, N_WORDS), dtype=np.uint32)
        selected[rows[is_selected], column[is_selected]] = hashes[is_selected]
        return InformativeWords(selected, np.count_nonzero(selected, axis=1), words.log_lengths)

    def reset(self) -> None:
        """Reset the counts."""
        self._table[:] = 0
        self._n_pairs = self._n_counts = 0

    def add_pairs(
        self, src: InformativeWords, tgt: InformativeWords, i: Indices, j: Indices
    ) -> None:
        """Count line `i[n]` of the source as paired with line `j[n]` of the target."""
        self._n_pairs += len(i)
        for _, a, b in _chunks(src, tgt, i, j):
            both = (a != 0)[:, :, None] & (b != 0)[:, None, :]
            cells = self._pair_cells(a, b)[both]
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
        """Score line `i[n]` of the source and line `j[n]` of the target as translations.

        Each word is compared with the word of the other line that it cooccurs with most, relative
        to chance: log((c + 2) / (e + 2)) for c observed and e expected cooccurrences, or 0. An
        equal word counts as one more. The sum over the words of both lines is divided by the
        geometric mean of their numbers of words.

        Args:
            src: The lines of the source.
            tgt: The lines of the target.
            i: Lines of the source. Shape (n,).
            j: Lines of the target. Shape (n,).
            n_counted: How often this pair itself was counted, which is no evidence. Shape (n,).
        Returns:
            Shape (n,); 0 without any evidence, 1 to 4 for translations.
        """
        out = np.zeros(len(i), dtype=np.float32)
        per_cell = np.float32(self._n_counts / len(self._table))
        rate = np.float32(self._n_pairs / self._n_lines**2)
        for n, a, b in _chunks(src, tgt, i, j):
            count = self._table[self._pair_cells(a, b)].astype(np.float32)
            # Subtract what other pairs of words contribute to the same cell.
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
        """Return the number of lines with a word; padding counts as expected everywhere."""
        return np.where(hashes == 0, np.float32(1e9), self._frequencies[side][self._cells(hashes)])

    def _cells(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        return hashes >> np.uint32(32 - self._frequency_bits)

    def _pair_cells(self, a: NDArray[np.uint32], b: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the cell of each word of `a`, shape (n, A), with each of `b`, shape (n, B)."""
        a, b = (
            mix(side.astype(np.uint64) + np.uint64(salt << 32)).astype(np.uint32)
            for salt, side in ((1, a), (2, b))
        )
        return (a[:, :, None] + b[:, None, :]) >> np.uint32(32 - self._table_bits)


def _chunks(
    src: InformativeWords, tgt: InformativeWords, i: Indices, j: Indices
) -> Iterator[tuple[Indices, NDArray[np.uint32], NDArray[np.uint32]]]:
    """Yield pairs of lines with similar numbers of words, without columns that are all padding."""
    n_words = np.maximum(src.n_words[i], tgt.n_words[j])
    order = np.argsort(n_words, kind="stable")
    for first in range(0, len(order), _CHUNK_LINES):
        n = order[first : first + _CHUNK_LINES]
        width = n_words[n[-1]]
        if width:
            yield n, src.hashes[i[n], :width], tgt.hashes[j[n], :width]

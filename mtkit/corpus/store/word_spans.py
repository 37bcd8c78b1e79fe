"""Find the words in rows of ids."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword


class WordSpans(NamedTuple):
    """The words of sentences, concatenated."""

    first: NDArray[np.int64]
    """Position of each word's first token in its sentence, tags included. Shape (words,)."""
    n_tokens: NDArray[np.int64]
    """Number of tokens of each word. Shape (words,)."""
    offsets: NDArray[np.int64]
    """Start of each sentence's words, and end of the last. Shape (B + 1,)."""


class WordSpanFinder:
    """Finds words by the word boundary at the start of their first token.

    Tags before the first word belong to no word.

    Args:
        subword: The vocabulary.
    """

    def __init__(self, subword: Subword) -> None:
        entries = subword.entries()
        self._begins = np.array(
            [entry.kind == "text" and entry.text.startswith(WORD_BOUNDARY) for entry in entries]
        )

    def find(self, sentences: RaggedIds) -> WordSpans:
        """Return the words of sentences, which may have tags."""
        ends = np.cumsum(sentences.lengths)
        starts = ends - sentences.lengths
        positions = np.flatnonzero(self._begins[sentences.ids])
        sentence = np.searchsorted(ends, positions, side="right")
        nexts = np.minimum(np.append(positions[1:], len(sentences.ids)), ends[sentence])
        return WordSpans(
            positions - starts[sentence],
            nexts - positions,
            np.searchsorted(positions, np.append(starts, len(sentences.ids))),
        )

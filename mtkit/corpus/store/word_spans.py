"""Where the words are in rows of ids."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword


class WordSpans(NamedTuple):
    """The words of some sentences, one sentence after the other."""

    first: NDArray[np.int64]
    """Place of each word's first piece in its sentence, its tags counted. Shape (words,)."""
    n_tokens: NDArray[np.int64]
    """Of each word. Shape (words,)."""
    offsets: NDArray[np.int64]
    """Where the words of each sentence begin, and where the last ones end. Shape (B + 1,)."""


class WordFinder:
    """Finds words by the word boundary that their first piece begins with; tags before the first one belong to none.

    Args:
        subword: The vocabulary.
    """

    def __init__(self, subword: Subword) -> None:
        entries = subword.entries()
        self._begins = np.array(
            [entry.kind == "text" and entry.text.startswith(WORD_BOUNDARY) for entry in entries]
        )

    def find(self, sentences: RaggedIds) -> WordSpans:
        """The words of sentences, tags included."""
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

"""From links between words to links between the places of a batch."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from mtkit.corpus.store.word_links import WordLinks
from mtkit.corpus.store.word_spans import WordFinder, WordSpans
from mtkit.tokenizer.subword import Tokenizer


class SupportsLinks(Protocol):
    """What is asked of a token store here."""

    def links(self, rows: Indices, /) -> WordLinks: ...


class BatchAligner:
    """Finds what the target positions of a batch are aligned to.

    Every piece of a target word is aligned to every piece of each source word that the word is linked to, and EOS to EOS. That it goes by words makes
    it hold for whatever pieces they are split into.

    Args:
        store: Where the links are.
        tokenizer: Of both sides.
    """

    def __init__(self, store: SupportsLinks, tokenizer: Tokenizer) -> None:
        self._store = store
        self._finders = WordFinder(tokenizer.src), WordFinder(tokenizer.tgt)

    def __call__(self, rows: Indices, src: RaggedIds, tgt: RaggedIds) -> NDArray[np.int64]:
        """Align a batch.

        Args:
            rows: Places of its pairs in the store. Shape (B,).
            src: Their sources, tags included.
            tgt: Their targets.
        Returns:
            For each link the row, the place in tgt_out and the place in src. Shape (3, N); pairs that are not aligned have none.
        """
        links = self._store.links(rows)
        src_words, tgt_words = (
            finder.find(side) for finder, side in zip(self._finders, (src, tgt), strict=True)
        )
        row = np.repeat(np.arange(len(rows)), links.lengths)
        src_spans = _spans(src_words, row, links.links[:, 0])
        tgt_spans = _spans(tgt_words, row, links.links[:, 1])
        n_places = src_spans.lengths * tgt_spans.lengths
        link = np.repeat(np.arange(len(row)), n_places)
        # All pairs of a place of the one span and a place of the other, counted through.
        tgt_step, src_step = np.divmod(
            range_indices(np.zeros_like(n_places), n_places), src_spans.lengths[link]
        )
        by_words = np.stack(
            (row[link], tgt_spans.starts[link] + tgt_step, src_spans.starts[link] + src_step)
        )
        ends = np.flatnonzero(links.lengths)
        return np.concatenate(
            (by_words, np.stack((ends, tgt.lengths[ends], src.lengths[ends]))), axis=1
        )


class _Spans(NamedTuple):
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def _spans(words: WordSpans, row: NDArray[np.int64], word: NDArray[np.integer]) -> _Spans:
    """Where these words of these rows are."""
    chosen = words.offsets[row] + word
    return _Spans(words.first[chosen], words.n_tokens[chosen])

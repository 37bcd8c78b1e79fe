"""Word alignments of a batch: from links between words to links between subword positions."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from mtkit.corpus.store.word_links import WordLinks
from mtkit.corpus.store.word_spans import WordSpanFinder, WordSpans
from mtkit.tokenizer.subword import Tokenizer


class SupportsLinks(Protocol):
    """The part of a token store that returns the word links of some rows."""

    def links(self, rows: Indices, /) -> WordLinks: ...


class BatchAligner:
    """Aligns the target positions of a batch to source positions.

    Each subword of a target word is aligned to each subword of the source words that the word is
    linked to, and EOS to EOS. As links are between words, they hold for any segmentation.

    Args:
        store: Holds the links.
        tokenizer: Tokenizer of both sides.
    """

    def __init__(self, store: SupportsLinks, tokenizer: Tokenizer) -> None:
        self._store = store
        self._finders = WordSpanFinder(tokenizer.src), WordSpanFinder(tokenizer.tgt)

    def __call__(self, rows: Indices, src: RaggedIds, tgt: RaggedIds) -> NDArray[np.int64]:
        """Align a batch.

        Args:
            rows: Rows of its pairs in the store. Shape (B,).
            src: Their sources, with tags.
            tgt: Their targets.
        Returns:
            Row, position in tgt_out and position in src of each link. Shape (3, N). Pairs without
            an alignment have no links.
        """
        links = self._store.links(rows)
        src_words, tgt_words = (
            finder.find(side) for finder, side in zip(self._finders, (src, tgt), strict=True)
        )
        row = np.repeat(np.arange(len(rows)), links.lengths)
        src_spans = _spans(src_words, row, links.links[:, 0])
        tgt_spans = _spans(tgt_words, row, links.links[:, 1])
        n_links = src_spans.lengths * tgt_spans.lengths
        link = np.repeat(np.arange(len(row)), n_links)
        # The product of both spans, enumerated.
        tgt_step, src_step = np.divmod(
            range_indices(np.zeros_like(n_links), n_links), src_spans.lengths[link]
        )
        word_links = np.stack(
            (row[link], tgt_spans.starts[link] + tgt_step, src_spans.starts[link] + src_step)
        )
        aligned = np.flatnonzero(links.lengths)
        eos_links = np.stack((aligned, tgt.lengths[aligned], src.lengths[aligned]))
        return np.concatenate((word_links, eos_links), axis=1)


class _Spans(NamedTuple):
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def _spans(words: WordSpans, row: NDArray[np.int64], word: NDArray[np.integer]) -> _Spans:
    """Return the spans of some words of some rows."""
    index = words.offsets[row] + word
    return _Spans(words.first[index], words.n_tokens[index])

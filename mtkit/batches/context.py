"""Context: the previous sentences of the same document, before each pair and on both sides.

Tiedemann and Scherrer 2017 (arXiv:1708.05943); trained on all sentences, as in Junczys-Dowmunt 2019
(arXiv:1907.06170). The store holds each sentence once; batches join them.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.corpus.sentence_pair import Side
from mtkit.corpus.store.ragged_ids import RaggedIds, range_indices
from mtkit.tokenizer.special_ids import CONTEXT_SEPARATOR
from mtkit.tokenizer.subword import Tokenizer


class ContextOptions(NamedTuple):
    """Settings of the context of training pairs."""

    n: int
    """Maximum number of previous sentences."""
    max_length: int
    """Maximum number of ids of a side, with its context and without tags."""


NO_CONTEXT = ContextOptions(0, 0)


class SupportsGather(Protocol):
    """The part of a token store that returns the ids of some rows."""

    def gather(self, side: Side, rows: Indices, /) -> RaggedIds: ...


class SupportsLengths(Protocol):
    """The part of a token store that knows lengths, without BOS and EOS, and documents."""

    def lengths(self, side: Side, rows: Indices, /) -> NDArray[np.int64]: ...

    def n_previous(self, rows: Indices, limit: int, /) -> NDArray[np.int64]: ...


class ContextLengths(NamedTuple):
    """The context of some pairs."""

    n_context: Indices
    """Number of previous sentences. Shape (N,)."""
    src_lengths: Indices
    """Ids that they add to each source, with a separator for each. Shape (N,)."""
    tgt_lengths: Indices
    """Ids that they add to each target. Shape (N,)."""


def choose_context(
    store: SupportsLengths, rows: Indices, n_tags: Indices, options: ContextOptions
) -> ContextLengths:
    """Choose the context of each pair: as many previous sentences as there are and as fit.

    Args:
        store: Holds the pairs.
        rows: Rows of the pairs. Shape (N,).
        n_tags: Number of tags at the start of each source. Shape (N,).
        options: Limits.
    """
    src_lengths = store.lengths("src", rows) - n_tags
    tgt_lengths = store.lengths("tgt", rows)
    n_available = store.n_previous(rows, options.n)
    n_context, src_added, tgt_added = np.zeros((3, len(rows)), np.int64)
    fits = np.ones(len(rows), np.bool_)
    for distance in range(1, options.n + 1):
        fits &= n_available >= distance
        before = np.where(fits, rows - distance, rows)
        src = src_added + store.lengths("src", before) - n_tags + 1
        tgt = tgt_added + store.lengths("tgt", before) + 1
        fits &= np.maximum(src_lengths + src, tgt_lengths + tgt) <= options.max_length
        n_context += fits
        src_added, tgt_added = np.where(fits, src, src_added), np.where(fits, tgt, tgt_added)
    return ContextLengths(n_context, src_added, tgt_added)


class ContextJoiner:
    """Joins sentences and their context: oldest <sep> ... <sep> newest, after the tags.

    Args:
        tokenizer: Tokenizer of both sides, whose vocabularies have the separator.
    Raises:
        MtkitError: A vocabulary lacks the separator.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        [self._src_id] = tokenizer.src.tag_ids([CONTEXT_SEPARATOR])
        [self._tgt_id] = tokenizer.tgt.tag_ids([CONTEXT_SEPARATOR])

    def gather(
        self, store: SupportsGather, rows: Indices, n_context: Indices, n_tags: Indices
    ) -> tuple[RaggedIds, RaggedIds]:
        """Read the sources and targets of some pairs with their context.

        Args:
            store: Holds the pairs.
            rows: Rows of the pairs. Shape (B,).
            n_context: Number of rows before each that precede it. Shape (B,).
            n_tags: Number of tags at the start of each source. Shape (B,).
        """
        all_rows = range_indices(rows - n_context, n_context + 1)
        src, tgt = (store.gather(side, all_rows).rows() for side in ("src", "tgt"))
        joined_src, joined_tgt = [], []
        end = 0
        for n_rows, tags in zip((n_context + 1).tolist(), n_tags.tolist(), strict=True):
            begin, end = end, end + n_rows
            sentences = [src[begin], *(row[tags:] for row in src[begin + 1 : end])]
            joined_src.append(_join(sentences, self._src_id))
            joined_tgt.append(_join(tgt[begin:end], self._tgt_id))
        return RaggedIds.from_rows(joined_src), RaggedIds.from_rows(joined_tgt)


def _join(rows: list[NDArray[np.integer]], separator: int) -> NDArray[np.integer]:
    mark = np.array([separator], rows[0].dtype)
    return np.concatenate([part for row in rows for part in (mark, row)][1:])

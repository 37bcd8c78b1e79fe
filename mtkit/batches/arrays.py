"""Batches as NumPy arrays: gathered from the token store and padded.

Without torch, so that a worker process starts fast.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.batches.concatenate import PairConcatenator
from mtkit.batches.context import ContextJoiner, SupportsGather
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.tokenizer.special_ids import SpecialIds


class Position(NamedTuple):
    """Position of the next batch in the data, as saved in checkpoints; counted from 0."""

    epoch: int
    window: int
    """Window within the epoch."""
    batch: int
    """Batch within the window."""


START = Position(epoch=0, window=0, batch=0)


class BatchRows(NamedTuple):
    """The pairs of one batch, as rows of the token store."""

    rows: Indices
    """Shape (B,)."""
    partners: Indices
    """Row of the pair to append to each pair; -1 for none. Shape (B,)."""
    n_tags: Indices
    """Number of tags at the start of each source. Shape (B,)."""
    position: Position
    """Position of this batch."""
    n_context: Indices | None = None
    """Number of rows before each pair that precede it as context; None without. Shape (B,)."""


class BatchArrays(NamedTuple):
    """A batch as int32 arrays; see `mtkit.batches.collate.Batch`."""

    src: NDArray[np.int32]
    tgt_in: NDArray[np.int32]
    tgt_out: NDArray[np.int32]
    tgt_lengths: NDArray[np.int64]
    """Tokens in each row of tgt_out. Shape (B,)."""
    alignment: NDArray[np.int64] | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens in tgt_out, without padding."""
        return int(self.tgt_lengths.sum())


def gather_pairs(
    store: SupportsGather,
    batch: BatchRows,
    concatenator: PairConcatenator | None = None,
    context_joiner: ContextJoiner | None = None,
) -> tuple[RaggedIds, RaggedIds]:
    """Read the sources and targets of a batch.

    Args:
        store: Token store.
        batch: Rows to read.
        concatenator: Appends the partners; required if there are any.
        context_joiner: Prepends the context; required if the batch has `n_context`.
    """
    if batch.n_context is not None and context_joiner is not None:
        return context_joiner.gather(store, batch.rows, batch.n_context, batch.n_tags)
    src, tgt = store.gather("src", batch.rows), store.gather("tgt", batch.rows)
    with_partner = np.flatnonzero(batch.partners >= 0)
    if concatenator is None or not len(with_partner):
        return src, tgt
    partners = batch.partners[with_partner]
    src_rows, tgt_rows = src.rows(), tgt.rows()
    for i, src_ids, tgt_ids in zip(
        with_partner.tolist(),
        store.gather("src", partners).rows(),
        store.gather("tgt", partners).rows(),
        strict=True,
    ):
        src_rows[i] = concatenator.src(src_rows[i], src_ids, int(batch.n_tags[i]))
        tgt_rows[i] = concatenator.tgt(tgt_rows[i], tgt_ids)
    return RaggedIds.from_rows(src_rows), RaggedIds.from_rows(tgt_rows)


def pad_batch(
    src: RaggedIds,
    tgt: RaggedIds,
    src_special: SpecialIds,
    tgt_special: SpecialIds,
    src_multiple: int = 1,
) -> BatchArrays:
    """Add BOS and EOS to sentences and pad them to the longest, sources to a multiple."""
    src_rows = _padded_rows(src, src_special, src_multiple)
    tgt_rows = _padded_rows(tgt, tgt_special)
    tgt_in = tgt_rows[:, :-1].copy()
    # A row shorter than the longest has its EOS inside tgt_in, where it would count as a token.
    shorter = np.flatnonzero(tgt.lengths + 1 < tgt_in.shape[1])
    tgt_in[shorter, tgt.lengths[shorter] + 1] = tgt_special.pad
    return BatchArrays(src_rows[:, 1:], tgt_in, tgt_rows[:, 1:], tgt.lengths + 1)


def _padded_rows(sentences: RaggedIds, special: SpecialIds, multiple: int = 1) -> NDArray[np.int32]:
    """Return the sentences as rows of BOS, ids, EOS, PAD..."""
    ids, lengths = sentences
    # The source drops BOS and the decoder's input drops EOS: the remaining width is the multiple.
    n, width = len(lengths), -(-(int(lengths.max()) + 1) // multiple) * multiple + 1
    rows = np.full((n, width), special.pad, dtype=np.int32)
    rows[:, 0] = special.bos
    rows[:, 1:][np.arange(1, width) <= lengths[:, None]] = ids
    rows[np.arange(n), lengths + 1] = special.eos
    return rows

"""Ids as padded arrays with their marks, without torch, so that a worker process starts at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.tokenizer.special_ids import SpecialIds


class BatchArrays(NamedTuple):
    """A batch as arrays in int32, see `mtkit.batches.collate.Batch`."""

    src: NDArray[np.int32]
    tgt_in: NDArray[np.int32]
    tgt_out: NDArray[np.int32]
    tgt_lengths: NDArray[np.int64]
    """Tokens of each row of tgt_out. Shape (B,)."""
    alignment: NDArray[np.int64] | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens of tgt_out."""
        return int(self.tgt_lengths.sum())


def pad_batch(
    src: RaggedIds,
    tgt: RaggedIds,
    src_special: SpecialIds,
    tgt_special: SpecialIds,
    multiple: int = 1,
) -> BatchArrays:
    """Put the marks around sentences and fill them up to the longest, or to the next multiple of so many positions."""
    src_rows, tgt_rows = (
        _padded_rows(src, src_special, multiple),
        _padded_rows(tgt, tgt_special, multiple),
    )
    tgt_in = tgt_rows[:, :-1].copy()
    # A row shorter than the longest has its EOS inside tgt_in, where it would pass for a token.
    shorter = np.flatnonzero(tgt.lengths + 1 < tgt_in.shape[1])
    tgt_in[shorter, tgt.lengths[shorter] + 1] = tgt_special.pad
    return BatchArrays(src_rows[:, 1:], tgt_in, tgt_rows[:, 1:], tgt.lengths + 1)


def _padded_rows(sentences: RaggedIds, special: SpecialIds, multiple: int) -> NDArray[np.int32]:
    """The sentences as rows BOS, ids, EOS, PAD..."""
    ids, lengths = sentences
    # BOS is left away on the source side and EOS in the decoder's input, so the multiple is of what remains.
    n, width = len(lengths), -(-(int(lengths.max()) + 1) // multiple) * multiple + 1
    rows = np.full((n, width), special.pad, dtype=np.int32)
    rows[:, 0] = special.bos
    rows[:, 1:][np.arange(1, width) <= lengths[:, None]] = ids
    rows[np.arange(n), lengths + 1] = special.eos
    return rows

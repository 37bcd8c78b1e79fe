"""Batches as tensors."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from mtkit.batches.arrays import BatchArrays, pad_batch
from mtkit.batches.bucketing import Indices
from mtkit.batches.context import SupportsGather
from mtkit.tokenizer.special_ids import SpecialIds


class Batch(NamedTuple):
    """Sentence pairs as model input: int64 ids, padded on the right with the PAD of each side."""

    src: Tensor
    """Sources, each ending in EOS. Shape (B, S)."""
    tgt_in: Tensor
    """Targets, each starting with BOS. Shape (B, T)."""
    tgt_out: Tensor
    """Labels: the targets shifted left by one, each ending in EOS. Shape (B, T)."""
    n_tokens: int
    """Number of labels, without padding."""
    target_positions: Tensor | None = None
    """Positions of the labels in the flattened tgt_out. Shape (n_tokens,).

    Computed in advance, so that a GPU does not have to be synchronized; None: computed when needed.
    """
    alignment: Tensor | None = None
    """Word alignment: row, position in tgt_out and position in src of each link. Shape (3, links).

    None if the recipe does not train with alignments.
    """

    def to(self, device: torch.device | str) -> Self:
        """Copy the batch to a device; asynchronously from pinned memory."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Self:
        """Copy the batch to pinned memory, from which a GPU copies asynchronously."""
        return self._map(Tensor.pin_memory)

    def halves(self, tgt_pad_id: int) -> tuple[Self, Self]:
        """Split the batch, of at least two sentences, into its first and second half."""
        middle = self.src.size(0) // 2
        first, second = slice(None, middle), slice(middle, None)
        return self._rows(first, tgt_pad_id), self._rows(second, tgt_pad_id)

    def _rows(self, rows: slice, tgt_pad_id: int) -> Self:
        src, tgt_in, tgt_out = (tensor[rows] for tensor in self[:3])
        alignment = self.alignment
        if alignment is not None:
            alignment = _links_of_rows(alignment, *rows.indices(self.src.size(0))[:2])
        n_tokens = int((tgt_out != tgt_pad_id).sum())
        return self._replace(
            src=src,
            tgt_in=tgt_in,
            tgt_out=tgt_out,
            n_tokens=n_tokens,
            target_positions=None,
            alignment=alignment,
        )

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return self._replace(
            **{
                name: function(value)
                for name, value in self._asdict().items()
                if isinstance(value, Tensor)
            }
        )


def collate(
    store: SupportsGather, indices: Indices, src_special: SpecialIds, tgt_special: SpecialIds
) -> Batch:
    """Gather pairs into a batch.

    Args:
        store: Holds the ids, without BOS and EOS.
        indices: Rows of the store, in the order of the batch. Shape (B,), with B at least 1.
        src_special: Special ids of the source vocabulary.
        tgt_special: Special ids of the target vocabulary.
    """
    sides = store.gather("src", indices), store.gather("tgt", indices)
    return to_batch(pad_batch(*sides, src_special, tgt_special))


def to_batch(arrays: BatchArrays) -> Batch:
    """Convert arrays to tensors."""
    src, tgt_in, tgt_out = (
        torch.from_numpy(array).to(torch.int64, memory_format=torch.contiguous_format)
        for array in arrays[:3]
    )
    positions = np.flatnonzero(np.arange(tgt_out.size(1)) < arrays.tgt_lengths[:, None])
    alignment = None if arrays.alignment is None else torch.from_numpy(arrays.alignment)
    return Batch(src, tgt_in, tgt_out, arrays.n_tokens, torch.from_numpy(positions), alignment)


def _links_of_rows(alignment: Tensor, start: int, stop: int) -> Tensor:
    """Return the links of the rows from start to stop, with rows counted from start."""
    row = alignment[0]
    return alignment[:, (start <= row) & (row < stop)] - row.new_tensor([[start], [0], [0]])

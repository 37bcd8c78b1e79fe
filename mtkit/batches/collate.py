"""From pairs in the token store to a batch of tensors."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from mtkit.batches.bucketing import Indices
from mtkit.batches.gather import SupportsGather
from mtkit.batches.pad import BatchArrays, pad_batch
from mtkit.tokenizer.special_ids import SpecialIds


class Batch(NamedTuple):
    """Sentence pairs as the model takes them: ids in int64, padded on the right with the side's PAD."""

    src: Tensor
    """Sources, each ending in EOS. Shape (B, S)."""
    tgt_in: Tensor
    """Targets, each starting with BOS. Shape (B, T)."""
    tgt_out: Tensor
    """The same targets one place to the left, each ending in EOS: what is to be predicted. Shape (B, T)."""
    n_tokens: int
    """Tokens to predict: all of tgt_out but its padding."""
    target_positions: Tensor | None = None
    """Where they are in tgt_out, flattened: known beforehand, so that a GPU need not be asked. None: it is. Shape (n_tokens,)."""
    alignment: Tensor | None = None
    """What target positions translate: row, place in tgt_out and place in src of each link. None where nobody learns it. Shape (3, links)."""

    def to(self, device: torch.device | str) -> Self:
        """The same batch on a device; the copy from pinned memory goes on while the program does."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Self:
        """The same batch in memory that a GPU copies from without waiting."""
        return self._each(Tensor.pin_memory)

    def halves(self, tgt_pad_id: int) -> tuple[Self, Self]:
        """The first and the second half of its sentences, of which it must have two at least."""
        middle = self.src.size(0) // 2
        return self._rows(slice(None, middle), tgt_pad_id), self._rows(
            slice(middle, None), tgt_pad_id
        )

    def _rows(self, rows: slice, tgt_pad_id: int) -> Self:
        src, tgt_in, tgt_out = (tensor[rows] for tensor in self[:3])
        alignment = (
            None
            if self.alignment is None
            else _links_of_rows(self.alignment, *rows.indices(self.src.size(0))[:2])
        )
        n_tokens = int((tgt_out != tgt_pad_id).sum())
        return self._replace(
            src=src,
            tgt_in=tgt_in,
            tgt_out=tgt_out,
            n_tokens=n_tokens,
            target_positions=None,
            alignment=alignment,
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return self._replace(
            **{
                name: change(value)
                for name, value in self._asdict().items()
                if isinstance(value, Tensor)
            }
        )


def collate(
    store: SupportsGather, indices: Indices, src_special: SpecialIds, tgt_special: SpecialIds
) -> Batch:
    """Gather pairs into a batch.

    Args:
        store: Where the ids are, without BOS and EOS.
        indices: The pairs' places in the store, in the order of the rows. Shape (B,), B at least 1.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
    """
    return to_batch(
        pad_batch(
            store.gather("src", indices), store.gather("tgt", indices), src_special, tgt_special
        )
    )


def to_batch(arrays: BatchArrays) -> Batch:
    """The same batch as tensors."""
    src, tgt_in, tgt_out = (
        torch.from_numpy(array).to(torch.int64, memory_format=torch.contiguous_format)
        for array in arrays[:3]
    )
    places = np.flatnonzero(np.arange(tgt_out.size(1)) < arrays.tgt_lengths[:, None])
    alignment = None if arrays.alignment is None else torch.from_numpy(arrays.alignment)
    return Batch(src, tgt_in, tgt_out, arrays.n_tokens, torch.from_numpy(places), alignment)


def _links_of_rows(alignment: Tensor, start: int, stop: int) -> Tensor:
    """Links of the rows from start to stop, counted from start."""
    row = alignment[0]
    return alignment[:, (start <= row) & (row < stop)] - row.new_tensor([[start], [0], [0]])

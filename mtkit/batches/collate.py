"""From pairs in the token store to a batch of tensors."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from mtkit.batches.bucketing import Indices
from mtkit.batches.frame import Arrays, frame
from mtkit.batches.gather import HasPairs
from mtkit.special import SpecialIds


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

    def to(self, device: torch.device | str) -> Self:
        """The same batch on a device."""
        src, tgt_in, tgt_out = (tensor.to(device, non_blocking=True) for tensor in self[:3])
        return self._replace(src=src, tgt_in=tgt_in, tgt_out=tgt_out)


def collate(store: HasPairs, indices: Indices, src_special: SpecialIds, tgt_special: SpecialIds) -> Batch:
    """Gather pairs into a batch.

    Args:
        store: Where the ids are, without BOS and EOS.
        indices: The pairs' places in the store, in the order of the rows. Shape (B,), B at least 1.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
    """
    return to_batch(frame(store.gather("src", indices), store.gather("tgt", indices), src_special, tgt_special))


def to_batch(arrays: Arrays) -> Batch:
    """The same batch as tensors."""
    src, tgt_in, tgt_out = (torch.from_numpy(array).to(torch.int64, memory_format=torch.contiguous_format) for array in arrays[:3])
    return Batch(src, tgt_in, tgt_out, arrays.n_tokens)

"""From pairs in the token store to a batch of tensors."""

from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtkit.batches.bucketing import Indices
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


class HasPairs(Protocol):
    """What is asked of a token store here: a pair's ids by its place, without BOS and EOS. Shape (length,) each."""

    def src(self, index: int, /) -> NDArray[np.integer]: ...
    def tgt(self, index: int, /) -> NDArray[np.integer]: ...


def collate(store: HasPairs, indices: Indices, src_special: SpecialIds, tgt_special: SpecialIds) -> Batch:
    """Gather pairs into a batch.

    Args:
        store: Where the ids are, without BOS and EOS.
        indices: The pairs' places in the store, in the order of the rows. Shape (B,), B at least 1.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
    """
    places = indices.tolist()
    src, _ = _framed([store.src(i) for i in places], src_special)
    tgt, lengths = _framed([store.tgt(i) for i in places], tgt_special)
    tgt_in = tgt[:, :-1].copy()
    # A row shorter than the longest has its EOS inside tgt_in, where it would pass for a token.
    shorter = np.flatnonzero(lengths < lengths.max())
    tgt_in[shorter, lengths[shorter] + 1] = tgt_special.pad
    return Batch(
        src=torch.from_numpy(src[:, 1:].copy()),
        tgt_in=torch.from_numpy(tgt_in),
        tgt_out=torch.from_numpy(tgt[:, 1:].copy()),
        n_tokens=int(lengths.sum()) + len(lengths),
    )


def _framed(sentences: list[NDArray[np.integer]], special: SpecialIds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sentences as rows BOS, ids, EOS, PAD..., and their lengths without BOS and EOS."""
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    width = int(lengths.max()) + 2
    rows = np.full((len(sentences), width), special.pad, dtype=np.int64)
    rows[:, 0] = special.bos
    columns = np.arange(1, width)
    rows[:, 1:][columns <= lengths[:, None]] = np.concatenate(sentences)
    rows[np.arange(len(sentences)), lengths + 1] = special.eos
    return rows, lengths

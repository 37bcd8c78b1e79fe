"""What decoding remembers between steps: keys and values, handed along as an argument."""

from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

Values = TypeVar("Values", Tensor, np.ndarray)


def attention_dtype(like: Tensor) -> torch.dtype:
    """The number format in which attention to such keys is computed: on a CPU float32, where bf16 is slower."""
    return torch.float32 if like.device.type == "cpu" else like.dtype


@dataclass(frozen=True)
class Moves:
    """Which sentences of a batch stay, and which of them change their places: only these are copied."""

    n_kept: int
    to: Any
    """Places that get another sentence: a tensor, or an array where it is arrays whose sentences move."""
    of: Any
    """Where these sentences have been, likewise."""

    @classmethod
    def of_sentences(cls, sentences: Tensor) -> Self:
        """From the sentences that stay, in their new order. Shape (B',)."""
        to = (sentences != torch.arange(len(sentences), device=sentences.device)).nonzero()[:, 0]
        return cls(len(sentences), to, sentences[to])

    def of_arrays(self) -> Self:
        """The same moves for arrays of numpy's."""
        return type(self)(self.n_kept, self.to.numpy(), self.of.numpy())

    def apply(self, values_BHMK: Values, length: int | None = None) -> Values:
        """The values of the sentences that stay: a part of what is given, which is overwritten. Of M, `length` positions are in use."""
        if len(self.to):
            used_BHMK: Any = values_BHMK[:, :, :length]
            used_BHMK[self.to] = used_BHMK[self.of]
        return values_BHMK[: self.n_kept]


@dataclass
class KeyValueCache:
    """The keys and values of one decoder layer's self-attention, for M positions so far.

    A step adds one position for each of the W hypotheses of a sentence. They all stay, in the order in which they came, and a mask says which
    of them are a hypothesis's own ancestors: reordering hypotheses copies nothing here.
    """

    key_BHMK: Tensor | None = None
    value_BHMK: Tensor | None = None
    length: int = 0

    def append(self, key_BHQK: Tensor, value_BHQK: Tensor) -> tuple[Tensor, Tensor]:
        """Add Q positions and give back all. Shapes (B, H, M + Q, K)."""
        end = self.length + key_BHQK.size(2)
        if self.key_BHMK is None or self.value_BHMK is None or end > self.key_BHMK.size(2):
            self._grow(key_BHQK, max(2 * end, 64))
        assert self.key_BHMK is not None and self.value_BHMK is not None
        self.key_BHMK[:, :, self.length : end] = key_BHQK
        self.value_BHMK[:, :, self.length : end] = value_BHQK
        self.length = end
        return self.key_BHMK[:, :, :end], self.value_BHMK[:, :, :end]

    def _grow(self, like: Tensor, capacity: int) -> None:
        B, H, _, K = like.shape
        old = self.key_BHMK, self.value_BHMK
        shape, dtype = (B, H, capacity, K), attention_dtype(like)
        self.key_BHMK, self.value_BHMK = (
            like.new_empty(shape, dtype=dtype),
            like.new_empty(shape, dtype=dtype),
        )
        if old[0] is not None and old[1] is not None:
            self.key_BHMK[:, :, : self.length] = old[0][:, :, : self.length]
            self.value_BHMK[:, :, : self.length] = old[1][:, :, : self.length]

    def keep(self, moves: Moves) -> None:
        """Keep only some sentences."""
        if self.key_BHMK is not None and self.value_BHMK is not None:
            self.key_BHMK = moves.apply(self.key_BHMK, self.length)
            self.value_BHMK = moves.apply(self.value_BHMK, self.length)


@dataclass
class FixedKeyValueCache(KeyValueCache):
    """As `KeyValueCache`, but all M positions are there from the start, and a tensor says which ones are next: no shape and no place changes."""

    next_W: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """The positions that the W hypotheses of the coming step get; whoever takes the step moves them on."""

    def append(self, key_BHQK: Tensor, value_BHQK: Tensor) -> tuple[Tensor, Tensor]:
        """Write the next positions and give back all. Shapes (B, H, M, K)."""
        assert self.key_BHMK is not None and self.value_BHMK is not None
        self.key_BHMK.index_copy_(2, self.next_W, key_BHQK.to(self.key_BHMK.dtype))
        self.value_BHMK.index_copy_(2, self.next_W, value_BHQK.to(self.value_BHMK.dtype))
        return self.key_BHMK, self.value_BHMK


@dataclass
class LayerCache:
    """One decoder layer: its own past, and the encoder's output as keys and values, projected once."""

    memory_key_BHSK: Tensor
    memory_value_BHSK: Tensor
    past: KeyValueCache = field(default_factory=KeyValueCache)


@dataclass
class DecoderCache:
    """Everything that `decode_step` needs of the steps before it."""

    layers: list[LayerCache]
    memory_bias_B11S: Tensor | None
    """Zero where the source may be attended to, minus infinity on padding; None where there is none."""
    n_steps: int | Tensor = 0
    """Taken so far; a tensor of shape (1,) where the device keeps count."""

    def keep(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order, and forget the others. Shape (B',)."""
        moves = Moves.of_sentences(sentences)
        for layer in self.layers:
            layer.memory_key_BHSK = moves.apply(layer.memory_key_BHSK)
            layer.memory_value_BHSK = moves.apply(layer.memory_value_BHSK)
            layer.past.keep(moves)
        if self.memory_bias_B11S is not None:
            self.memory_bias_B11S = self.memory_bias_B11S.index_select(0, sentences)


def ancestor_mask(may_attend_BWM: Tensor | None, parents_BW: Tensor) -> Tensor:
    """Which cached positions each hypothesis descends from, after it was chosen and before its own position is added.

    Args:
        may_attend_BWM: The mask of the step before; None before the first step. True where attention is allowed.
        parents_BW: The hypothesis of the step before that each one continues.
    Returns:
        Shape (B, W, M + W): its parent's ancestors, and itself.
    """
    B, W = parents_BW.shape
    own = torch.eye(W, dtype=torch.bool, device=parents_BW.device).expand(B, W, W)
    if may_attend_BWM is None:
        return own
    M = may_attend_BWM.size(2)
    inherited = may_attend_BWM.gather(1, parents_BW[:, :, None].expand(B, W, M))
    return torch.cat((inherited, own), dim=2)


def filled_gaps(stays: list[bool]) -> list[int]:
    """Which sentence moves to which place when some leave the batch: the last ones fill the gaps, so that few have to be moved.

    Args:
        stays: For each sentence, whether it stays.
    Returns:
        The numbers of those that stay, in their new order.
    """
    rest = [row for row, does_stay in enumerate(stays) if does_stay]
    n = len(rest)
    return [row if stays[row] else rest.pop() for row in range(n)]

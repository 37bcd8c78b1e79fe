"""What a scorer remembers, in tensors whose shapes and places never change: a step on them can be recorded as a CUDA graph and played again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.engines.position_table import PositionTable
from mtkit.model.cache import DecoderCache, KeyValueCache, LayerCache
from mtkit.model.transformer import Transformer
from mtkit.search.ensemble_scorer import EnsembleState


class SearchShape(NamedTuple):
    """Of a search in which shapes stay the same."""

    n_sentences: int
    src_length: int
    beam_size: int
    max_steps: int


class Arena:
    """One stretch of memory that tensors are cut out of, so that searches of different shapes, one at a time, lie in the same place."""

    _ALIGNMENT = 256

    def __init__(self, n_bytes: int, device: torch.device) -> None:
        self.buffer = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
        self.used = 0

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The next tensor; what is in it is what was there."""
        start = -(-self.used // self._ALIGNMENT) * self._ALIGNMENT
        self.used = start + dtype.itemsize * torch.Size(shape).numel()
        if self.used > self.buffer.numel():
            raise ValueError(
                f"the arena of {self.buffer.numel()} bytes is too small for {self.used}"
            )
        return self.buffer[start : self.used].view(dtype).view(shape)


Allocate = Callable[[tuple[int, ...], torch.dtype], Tensor]
"""Gives a tensor of a shape and a type."""


class _BySentence(NamedTuple):
    tensor: Tensor
    dim: int
    """In which the sentences lie."""


@dataclass
class StaticKeyValueCache(KeyValueCache):
    """As `KeyValueCache`, but all M positions exist from the start and a tensor gives the next ones.

    No tensor changes its shape or address.
    """

    next_W: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """Positions of the coming step's W hypotheses; advanced by whoever takes the step."""

    def append(self, key_BHQK: Tensor, value_BHQK: Tensor) -> tuple[Tensor, Tensor]:
        """Write the next positions and return all. Shapes (B, H, M, K)."""
        assert self.key_BHMK is not None and self.value_BHMK is not None
        self.key_BHMK.index_copy_(2, self.next_W, key_BHQK)
        self.value_BHMK.index_copy_(2, self.next_W, value_BHQK)
        return self.key_BHMK, self.value_BHMK


class StaticState(EnsembleState):
    """As `EnsembleState`, with room for B sentences, S source positions, and T steps of W hypotheses. Nothing leaves it and nothing grows.

    Args:
        models: Whose caches these are.
        shape: B, S, W and T.
        take: Where its tensors come from.
    """

    def __init__(self, models: list[Transformer], shape: SearchShape, take: Allocate) -> None:
        super().__init__([])
        B, S, W, T = shape
        self.shape = shape
        self._n_keys = W * T
        self.next_W = take((W,), torch.long)
        self._may_attend_BWM = take((B, W, W * T), torch.bool)
        self.own_WW = torch.eye(W, dtype=torch.bool, device=self.next_W.device)
        self._counts: list[Tensor] = [self.next_W]
        self._by_sentence: list[_BySentence] = [_BySentence(self._may_attend_BWM, 0)]
        # A table that grows is another tensor, and a recorded step reads the one that it was recorded with.
        self._tables: list[Tensor] = []
        caches: list[DecoderCache] = []
        self._memories: list[Tensor] = []
        self._pasts: list[Tensor] = []
        for model in models:
            L, H = model.config.n_decoder_layers, model.config.n_heads
            dtype = model.output_weight.dtype
            K = model.config.d_model // H
            memory_L2BHSK, past_L2BHMK = (
                take((L, 2, B, H, S, K), dtype),
                take((L, 2, B, H, W * T, K), dtype),
            )
            bias_B11S, n_steps = take((B, 1, 1, S), dtype), take((1,), torch.long)
            layers = [
                LayerCache(
                    memory_key, memory_value, StaticKeyValueCache(key, value, next_W=self.next_W)
                )
                for (memory_key, memory_value), (key, value) in zip(
                    memory_L2BHSK, past_L2BHMK, strict=True
                )
            ]
            caches.append(DecoderCache(layers, bias_B11S, n_steps))
            self._memories.append(memory_L2BHSK)
            self._pasts.append(past_L2BHMK)
            self._counts.append(n_steps)
            self._by_sentence += [
                _BySentence(memory_L2BHSK, 2),
                _BySentence(past_L2BHMK, 2),
                _BySentence(bias_B11S, 0),
            ]
            if isinstance(model.tgt_positions, PositionTable):
                device = model.output_weight.device
                self._tables.append(model.tgt_positions.reaching(T, device))
        self.caches: list[DecoderCache] = caches

    @property
    def length(self) -> Tensor:
        """Tokens of the hypotheses after the steps that have been taken. Shape (1,)."""
        return self._counts[1]

    def look_at(self, n_steps: int) -> None:
        """Compute the coming steps with as much of the tensors as so many steps fill; what lies behind is empty."""
        self._n_keys = self.shape.beam_size * n_steps
        for cache, past_L2BHMK in zip(self.caches, self._pasts, strict=True):
            for layer, (key, value) in zip(cache.layers, past_L2BHMK, strict=True):
                layer.past.key_BHMK, layer.past.value_BHMK = (
                    key[:, :, : self._n_keys],
                    value[:, :, : self._n_keys],
                )

    def begin(self, caches: Sequence[DecoderCache]) -> None:
        """Take up sentences that have just been read. All tensors have to be zero."""
        for own, memory_L2BHSK, other in zip(self.caches, self._memories, caches, strict=True):
            copy_to_start(
                memory_L2BHSK,
                torch.stack(
                    [
                        torch.stack((layer.memory_key_BHSK, layer.memory_value_BHSK))
                        for layer in other.layers
                    ]
                ),
            )
            n = len(other.may_attend_B11S)
            own.may_attend_B11S[:n] = -math.inf
            copy_to_start(own.may_attend_B11S, other.may_attend_B11S)
        self.next_W.copy_(torch.arange(self.shape.beam_size))

    def ancestors(self, parents_BW: Tensor) -> Tensor:
        """Follow hypotheses into the coming step. Which cached positions each one descends from, itself included. Shape (B, W, M)."""
        may_attend_BWM = self._may_attend_BWM[:, :, : self._n_keys]
        B, W, M = may_attend_BWM.shape
        inherited = may_attend_BWM.gather(1, parents_BW[:, :, None].expand(B, W, M))
        return may_attend_BWM.copy_(
            inherited.index_copy_(2, self.next_W, self.own_WW.expand(B, W, W))
        )

    def advance(self) -> None:
        """The step is taken. Each model's cache has counted it."""
        self.next_W += self.shape.beam_size

    def part(self, sentences: Tensor) -> list[Tensor]:
        """What is remembered of these sentences, copied. Indices of shape (B',)."""
        return [
            *(count.clone() for count in self._counts),
            *(one.tensor.index_select(one.dim, sentences) for one in self._by_sentence),
        ]

    def resume(self, part: list[Tensor]) -> None:
        """Take up sentences of a state of another shape. All tensors have to be zero."""
        for own, other in zip(
            (*self._counts, *(one.tensor for one in self._by_sentence)), part, strict=True
        ):
            copy_to_start(own, other)


def copy_to_start(room: Tensor, values: Tensor) -> None:
    """Write values into the beginning of a tensor that is at least as large in each dimension."""
    room[tuple(slice(0, size) for size in values.shape)] = values

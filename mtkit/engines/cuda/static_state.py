"""What a scorer remembers, in tensors whose shapes and places never change: a step on them can be recorded as a CUDA graph and played again."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.model.cache import DecoderCache, FixedKeyValueCache, LayerCache
from mtkit.model.transformer import Transformer


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


class StaticState:
    """As `ModelState`, with room for B sentences, S source positions, and T steps of W hypotheses. Nothing leaves it and nothing grows.

    Args:
        models: Whose caches these are.
        shape: B, S, W and T.
        take: Where its tensors come from.
    """

    candidates = None

    def __init__(self, models: list[Transformer], shape: SearchShape, take: Allocate) -> None:
        B, S, W, T = shape
        self.shape = shape
        self._n_keys = W * T
        self.next_W = take((W,), torch.long)
        self.may_attend_BWM = take((B, W, W * T), torch.bool)
        self.own_WW = torch.eye(W, dtype=torch.bool, device=self.next_W.device)
        self._counts: list[Tensor] = [self.next_W]
        self._by_sentence: list[_BySentence] = [_BySentence(self.may_attend_BWM, 0)]
        # A table that grows is another tensor, and a recorded step reads the one that it was recorded with.
        self._tables: list[Tensor] = []
        self.caches: list[DecoderCache] = []
        self._memories: list[Tensor] = []
        self._pasts: list[Tensor] = []
        for model in models:
            L, H, dtype = model.config.n_decoder_layers, model.config.n_heads, model.cache_dtype
            K = model.config.d_model // H
            memory_L2BHSK, past_L2BHMK = (
                take((L, 2, B, H, S, K), dtype),
                take((L, 2, B, H, W * T, K), dtype),
            )
            bias_B11S, n_steps = take((B, 1, 1, S), dtype), take((1,), torch.long)
            layers = [
                LayerCache(
                    memory_key, memory_value, FixedKeyValueCache(key, value, next_W=self.next_W)
                )
                for (memory_key, memory_value), (key, value) in zip(
                    memory_L2BHSK, past_L2BHMK, strict=True
                )
            ]
            self.caches.append(DecoderCache(layers, bias_B11S, n_steps))
            self._memories.append(memory_L2BHSK)
            self._pasts.append(past_L2BHMK)
            self._counts.append(n_steps)
            self._by_sentence += [
                _BySentence(memory_L2BHSK, 2),
                _BySentence(past_L2BHMK, 2),
                _BySentence(bias_B11S, 0),
            ]
            self._tables += model.prepare_positions(T)

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

    def begin(self, caches: list[DecoderCache]) -> None:
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
            n, S = other.layers[0].memory_key_BHSK.size(0), other.layers[0].memory_key_BHSK.size(2)
            assert own.memory_bias_B11S is not None
            own.memory_bias_B11S[:n] = -torch.inf
            own.memory_bias_B11S[:n, :, :, :S] = 0.0
            if other.memory_bias_B11S is not None:
                copy_to_start(own.memory_bias_B11S, other.memory_bias_B11S)
        self.next_W.copy_(torch.arange(self.shape.beam_size))

    def ancestors(self, parents_BW: Tensor) -> Tensor:
        """Follow hypotheses into the coming step. Which cached positions each one descends from, itself included. Shape (B, W, M)."""
        may_attend_BWM = self.may_attend_BWM[:, :, : self._n_keys]
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

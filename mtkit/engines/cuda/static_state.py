"""A scorer's state in tensors whose shapes and addresses never change, as CUDA graphs require."""

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
    """The sizes of all tensors of a search."""

    n_sentences: int
    """B."""
    src_length: int
    """S, EOS and padding included."""
    beam_size: int
    """W."""
    max_steps: int
    """T."""


class Arena:
    """A block of memory from which tensors are allocated.

    Searches of different shapes use the same memory, one at a time.

    Args:
        n_bytes: Size of the block.
        device: Device of the tensors.
    """

    _ALIGNMENT = 256

    def __init__(self, n_bytes: int, device: torch.device) -> None:
        self.buffer = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
        self.used = 0

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Allocate a tensor without initializing it.

        Raises:
            ValueError: The block is too small.
        """
        start = -(-self.used // self._ALIGNMENT) * self._ALIGNMENT
        self.used = start + dtype.itemsize * torch.Size(shape).numel()
        if self.used > self.buffer.numel():
            raise ValueError(
                f"the arena of {self.buffer.numel()} bytes is too small for {self.used}"
            )
        return self.buffer[start : self.used].view(dtype).view(shape)


Allocate = Callable[[tuple[int, ...], torch.dtype], Tensor]
"""Function that allocates a tensor of a shape and a dtype, as `Arena.take` does."""


class _SentenceTensor(NamedTuple):
    """A tensor with a slice for each sentence."""

    tensor: Tensor
    dim: int
    """Dimension of the sentences."""


class StateCopy(NamedTuple):
    """The state of some sentences, copied."""

    counters: list[Tensor]
    by_sentence: list[Tensor]


@dataclass
class StaticKeyValueCache(KeyValueCache):
    """A `KeyValueCache` that has all M positions from the start; a tensor says which are next."""

    next_W: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """Positions of the W hypotheses of the next step; advanced by `StaticState.advance`."""

    def append(self, key_BHQK: Tensor, value_BHQK: Tensor) -> tuple[Tensor, Tensor]:
        """Write the next positions and return all. Shapes (B, H, M, K)."""
        assert self.key_BHMK is not None and self.value_BHMK is not None
        self.key_BHMK.index_copy_(2, self.next_W, key_BHQK)
        self.value_BHMK.index_copy_(2, self.next_W, value_BHQK)
        return self.key_BHMK, self.value_BHMK


class StaticState(EnsembleState):
    """An `EnsembleState` for B sentences, S source positions and T steps of W hypotheses.

    Sentences that are done stay in it, and no tensor grows.

    Args:
        models: Models whose caches it holds.
        shape: B, S, W and T.
        take: Allocates the tensors.
    """

    def __init__(self, models: Sequence[Transformer], shape: SearchShape, take: Allocate) -> None:
        super().__init__([])
        B, S, W, T = shape
        self.shape = shape
        self._n_keys = W * T
        self._next_W = take((W,), torch.long)
        self._may_attend_BWM = take((B, W, W * T), torch.bool)
        # On the meta device, torch.eye would load torch's compiler, which takes seconds.
        self._itself_WW = torch.eye(W, dtype=torch.bool).to(self._next_W.device)
        self._counters: list[Tensor] = [self._next_W]
        self._by_sentence = [_SentenceTensor(self._may_attend_BWM, 0)]
        self._position_tables: list[Tensor] = []
        caches: list[DecoderCache] = []
        self._memories: list[Tensor] = []
        self._pasts: list[Tensor] = []
        for model in models:
            L, H = model.config.n_decoder_layers, model.config.n_heads
            dtype = model.output_weight.dtype
            K = model.config.d_model // H
            memory_L2BHSK = take((L, 2, B, H, S, K), dtype)
            past_L2BHMK = take((L, 2, B, H, W * T, K), dtype)
            memory_bias_B11S, n_steps = take((B, 1, 1, S), dtype), take((1,), torch.long)
            layers = [
                LayerCache(
                    memory_key, memory_value, StaticKeyValueCache(key, value, next_W=self._next_W)
                )
                for (memory_key, memory_value), (key, value) in zip(
                    memory_L2BHSK, past_L2BHMK, strict=True
                )
            ]
            caches.append(DecoderCache(layers, memory_bias_B11S, n_steps))
            self._memories.append(memory_L2BHSK)
            self._pasts.append(past_L2BHMK)
            self._counters.append(n_steps)
            self._by_sentence += [
                _SentenceTensor(memory_L2BHSK, 2),
                _SentenceTensor(past_L2BHMK, 2),
                _SentenceTensor(memory_bias_B11S, 0),
            ]
        self._models = models
        self._hold_position_tables()
        self.caches: list[DecoderCache] = caches

    @property
    def length(self) -> Tensor:
        """Number of tokens of each hypothesis, which every step increases. Shape (1,)."""
        return self._counters[1]

    def attend_to(self, n_steps: int) -> None:
        """Limit attention to the keys of the first `n_steps`; later ones are empty."""
        self._n_keys = self.shape.beam_size * n_steps
        for cache, past_L2BHMK in zip(self.caches, self._pasts, strict=True):
            for layer, (key, value) in zip(cache.layers, past_L2BHMK, strict=True):
                layer.past.key_BHMK = key[:, :, : self._n_keys]
                layer.past.value_BHMK = value[:, :, : self._n_keys]
        self._hold_position_tables()

    def _hold_position_tables(self) -> None:
        # A position table that grows is another tensor, but a graph reads the one it was captured
        # with, so references keep it alive.
        for model in self._models:
            if isinstance(model.tgt_positions, PositionTable):
                device = model.output_weight.device
                table_PD = model.tgt_positions.reaching(self.shape.max_steps, device)
                if all(table_PD is not held for held in self._position_tables):
                    self._position_tables.append(table_PD)

    def load_sources(self, caches: Sequence[DecoderCache]) -> None:
        """Load sentences that have just been encoded. All tensors must be zero."""
        for cache, memory_L2BHSK, source in zip(self.caches, self._memories, caches, strict=True):
            memories = [
                torch.stack((layer.memory_key_BHSK, layer.memory_value_BHSK))
                for layer in source.layers
            ]
            copy_to_start(memory_L2BHSK, torch.stack(memories))
            n_sentences = len(source.may_attend_B11S)
            cache.may_attend_B11S[:n_sentences] = -math.inf
            copy_to_start(cache.may_attend_B11S, source.may_attend_B11S)
        self._next_W.copy_(torch.arange(self.shape.beam_size))

    def ancestors(self, parents_BW: Tensor) -> Tensor:
        """Find the cached positions that each hypothesis of the coming step descends from.

        Returns:
            True at ancestors and at the hypothesis itself. Shape (B, W, M).
        """
        may_attend_BWM = self._may_attend_BWM[:, :, : self._n_keys]
        B, W, M = may_attend_BWM.shape
        inherited_BWM = may_attend_BWM.gather(1, parents_BW[:, :, None].expand(B, W, M))
        itself_BWW = self._itself_WW.expand(B, W, W)
        return may_attend_BWM.copy_(inherited_BWM.index_copy_(2, self._next_W, itself_BWW))

    def advance(self) -> None:
        """Move to the positions of the next step. Each model's cache has counted the step."""
        self._next_W += self.shape.beam_size

    def copy_sentences(self, rows: Tensor) -> StateCopy:
        """Copy the state of some sentences, given by their rows. Shape (B',)."""
        return StateCopy(
            [counter.clone() for counter in self._counters],
            [tensor.index_select(dim, rows) for tensor, dim in self._by_sentence],
        )

    def load_sentences(self, copied: StateCopy) -> None:
        """Load sentences that were copied from another shape. All tensors must be zero."""
        for counter, value in zip(self._counters, copied.counters, strict=True):
            counter.copy_(value)
        for (tensor, _), values in zip(self._by_sentence, copied.by_sentence, strict=True):
            copy_to_start(tensor, values)


def copy_to_start(target: Tensor, values: Tensor) -> None:
    """Write values to the start of a tensor that is at least as large in each dimension."""
    target[tuple(slice(0, size) for size in values.shape)] = values

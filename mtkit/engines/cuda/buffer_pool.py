"""Buffers for searches of many shapes, which share their memory."""

from typing import TYPE_CHECKING

import torch

from mtkit.config.search import SearchConfig
from mtkit.engines.cuda.graph_buffers import GraphBuffers, GraphMemory
from mtkit.engines.cuda.static_state import Arena, SearchShape
from mtkit.engines.lagged_reader import LaggedReader

if TYPE_CHECKING:
    from mtkit.engines.cuda.scorer import CudaScorer

_LAG = 2
"""Number of steps by which a GPU may be ahead of what Python knows."""


class BufferPool:
    """The tensors and graphs of one search at a time, for any shape.

    Args:
        scorer: Computes log-probabilities.
    """

    def __init__(self, scorer: "CudaScorer") -> None:
        self.scorer = scorer
        lag = _LAG if scorer.device.type == "cuda" else 0
        self.n_unfinished: LaggedReader[None] = LaggedReader(lag)
        self._buffers: dict[tuple[SearchShape, SearchConfig], GraphBuffers] = {}
        self._arena = Arena(0, scorer.device)
        self._memory = GraphMemory.on(scorer.device)

    @property
    def n_bytes(self) -> int:
        """Size of the memory that the buffers share."""
        return self._arena.buffer.numel()

    def buffers(self, shape: SearchShape, config: SearchConfig) -> GraphBuffers:
        """Return the buffers of a shape, with all tensors zero."""
        buffers = self._buffers.get((shape, config))
        if buffers is None:
            scorer = self.scorer.for_search(config)
            # On the meta device tensors have sizes, but no memory.
            unlimited = Arena(1 << 60, torch.device("meta"))
            n_bytes = GraphBuffers(scorer, config, shape, unlimited).n_bytes
            if n_bytes > self.n_bytes:
                self.release()
                self._arena = Arena(n_bytes, self.scorer.device)
            buffers = GraphBuffers(scorer, config, shape, self._arena, self._memory)
            self._buffers[shape, config] = buffers
        self._arena.buffer[: buffers.n_bytes].zero_()
        return buffers

    def release(self) -> None:
        """Release all memory."""
        # Graphs contain the addresses of their tensors. With the last graph, its pool is released.
        self._buffers.clear()
        self._memory = GraphMemory.on(self.scorer.device, self._memory)
        self._arena = Arena(0, self.scorer.device)

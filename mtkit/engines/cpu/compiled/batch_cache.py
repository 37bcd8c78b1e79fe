"""State of the packed decoder whose attention is compiled."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mtkit.engines.cpu.compiled.attention import attend_to_past, attend_to_sources
from mtkit.engines.cpu.packed_linear import as_array
from mtkit.model.positions import RotaryPositions

_FIRST_STEPS = 16
"""Steps that are allocated at first; the cache grows by half."""


class CompiledCache:
    """A `StepCache` whose attention is compiled: each hypothesis reads its own ancestors only.

    Sentences that leave the batch leave their memory behind until the cache grows.

    Args:
        sources: Keys and values of the sources, side by side, for each layer. Shape (N, S, 2 D).
        may_attend_NS: Whether each position of the sources is attended to.
    """

    def __init__(self, sources: list[np.ndarray], may_attend_NS: np.ndarray) -> None:
        self.n_steps = 0
        self.length = 0
        """Positions of the past: one per hypothesis and step."""
        self._sources = sources
        self._source_positions_NS = np.argsort(~may_attend_NS, axis=1, kind="stable")
        """The positions that are attended to, and behind them the others."""
        self._source_lengths_N = may_attend_NS.sum(1)
        self._source_slots = np.arange(len(may_attend_NS))
        """Index of each sentence of the batch in `_sources`."""
        self._pasts: list[np.ndarray] = []
        self._past_slots = self._source_slots
        self._ancestors_BWT = np.empty((0, 0, 0), np.int64)

    def begin_step(self, W: int, ancestors: Tensor | None) -> Tensor:
        """See `StepCache`; ancestors are positions of the past, of shape (B, W, T)."""
        assert ancestors is not None
        start, self.length = self.length, self.length + W
        if not self._pasts or self.length > self._pasts[0].shape[1]:
            self._allocate(start, max(start + start // 2, start + _FIRST_STEPS * W))
        self._ancestors_BWT = ancestors.numpy()
        return ancestors

    def attend_to_past(
        self, number: int, fused_RX: np.ndarray, n_heads: int, rotary: RotaryPositions | None
    ) -> Tensor:
        """See `StepCache`."""
        assert rotary is None
        B, W, _ = self._ancestors_BWT.shape
        out_RD = torch.empty(B * W, fused_RX.shape[1] // 3)
        past_NCX, ancestors_BWT = self._pasts[number], self._ancestors_BWT
        attend_to_past(fused_RX, past_NCX, self._past_slots, ancestors_BWT, n_heads, out_RD.numpy())
        return out_RD

    def attend_to_sources(self, number: int, query_RD: np.ndarray, n_heads: int) -> Tensor:
        """See `StepCache`."""
        B, W, _ = self._ancestors_BWT.shape
        out_RD = torch.empty(B * W, query_RD.shape[1])
        attend_to_sources(
            query_RD,
            self._sources[number],
            self._source_slots,
            self._source_positions_NS,
            self._source_lengths_N,
            n_heads,
            out_RD.numpy(),
        )
        return out_RD

    def select(self, sentences: Tensor) -> None:
        """See `StepCache`."""
        rows = sentences.numpy()
        self._source_slots, self._past_slots = self._source_slots[rows], self._past_slots[rows]

    def _allocate(self, length: int, capacity: int) -> None:
        """Allocate positions for the sentences of the batch, and copy the first ones."""
        n_sentences = len(self._past_slots)
        pasts = []
        for layer, source_NSX in enumerate(self._sources):
            past_NCX = torch.empty(n_sentences, capacity, source_NSX.shape[2]).numpy()
            if self._pasts:
                past_NCX[:, :length] = self._pasts[layer][self._past_slots, :length]
            pasts.append(past_NCX)
        self._pasts, self._past_slots = pasts, np.arange(n_sentences)


def padded(parts: Sequence[Tensor], rows: Sequence[list[int]]) -> np.ndarray:
    """Put groups of sentences of different lengths into one array, padded with zeros.

    Args:
        parts: Values of each group. Shape (N', S', X).
        rows: Indices of each group's sentences in the batch.
    Returns:
        In float32. Shape (N, S, X), S the largest S'.
    """
    shape = sum(map(len, rows)), max(part.size(1) for part in parts), parts[0].size(2)
    # Torch reuses memory, numpy does not.
    padded_NSX = torch.zeros(shape).numpy()
    for part, own in zip(parts, rows, strict=True):
        padded_NSX[own, : part.size(1)] = as_array(part)
    return padded_NSX

"""State of the packed decoder: sources padded to different lengths share a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.search.batch_layout import filled_gaps

_MIN_STEPS_AHEAD, _SHARE_AHEAD = 4, 8
"""Over-allocate by at least this many steps, and by at least 1/8 of the current length."""

KeyValue = tuple[np.ndarray, np.ndarray]
"""Keys and values of one layer, in float32. Shape (B, H, M, K)."""


@dataclass
class SourceGroup:
    """The sentences of a batch whose sources are padded to one length, and their sources."""

    rows: list[int]
    """Indices of these sentences in the batch."""
    layers: list[KeyValue]
    """Keys and values of the source, for each layer of the decoder. Shape (B, H, S, K)."""
    bias_B11S: Tensor | None
    """Minus infinity on padding, else zero; None if there is no padding."""

    def select(self, new_rows: Sequence[int]) -> None:
        """Follow the sentences to their new rows of the batch.

        Args:
            new_rows: For each old row of the batch the new one; -1 if the sentence has left.
        """
        rows = [new_rows[row] for row in self.rows]
        order = filled_gaps([row >= 0 for row in rows])
        self.rows = [rows[i] for i in order]
        if len(order) == len(rows):
            return
        moves = _Moves(np.array(order, dtype=np.int64))
        if self.bias_B11S is not None:
            self.bias_B11S = torch.from_numpy(moves.apply(self.bias_B11S.numpy()))
        self.layers = [(moves.apply(key), moves.apply(value)) for key, value in self.layers]


class PackedCache:
    """Everything that the packed decoder needs to know of earlier steps.

    All sentences are at the same step, so the decoder's own past has the same number of positions
    for each. The sources are attended to group by group, because padding them to one length would
    change the last bits of the results.

    The state is kept in numpy arrays: numpy multiplies and copies such small matrices faster than
    torch. Each head's keys are contiguous with those of the next head, including unused ones, which
    are zero: a processor that has to skip the unused ones reads the rest at a third of the speed.
    That is why few positions are allocated ahead, and attention covers all of them.

    Args:
        groups: Together they contain every row of the batch once.
        may_drop: Whether positions that no hypothesis descends from may be dropped. How many are
            dropped depends on all sentences, and so do the last bits of each one's results.
    """

    def __init__(self, groups: list[SourceGroup], may_drop: bool = False) -> None:
        self.groups = groups
        self.may_drop = may_drop
        self.n_steps = 0
        self.length = 0
        """Positions of the past: one per hypothesis and step, unless some have been dropped."""
        self._pasts: list[KeyValue] = []
        self._bias_C = np.empty(0, np.float32)
        """Minus infinity at positions that are allocated but not yet used, else zero."""
        self.order = self._find_order()
        """Indices that sort the batch by group, and their inverse; None if it is sorted already."""

    def begin_step(self, W: int, bias_B1WM: Tensor | None) -> Tensor:
        """Allocate one more position for each of W hypotheses.

        Args:
            W: Hypotheses of each sentence.
            bias_B1WM: Added to the attention scores of the M positions, this step's included; None
                adds nothing.
        Returns:
            The same for all C allocated positions; broadcasts to (B, 1, W, C). Valid in this step.
        """
        start, self.length = self.length, self.length + W
        if not self._pasts or self.length > self._pasts[0][0].shape[2]:
            n_ahead = max((_MIN_STEPS_AHEAD - 1) * W, start // _SHARE_AHEAD)
            self._allocate(start, self.length + n_ahead)
        self._bias_C[start : self.length] = 0.0
        if bias_B1WM is None:
            return torch.from_numpy(self._bias_C)
        return F.pad(bias_B1WM, (0, len(self._bias_C) - self.length), value=-math.inf)

    def append(self, layer: int, key_BHWK: np.ndarray, value_BHWK: np.ndarray) -> KeyValue:
        """Add this step's positions to one layer and return all. Shapes (B, H, C, K)."""
        key_BHCK, value_BHCK = self._pasts[layer]
        new = slice(self.length - key_BHWK.shape[2], self.length)
        key_BHCK[:, :, new] = key_BHWK
        value_BHCK[:, :, new] = value_BHWK
        return key_BHCK, value_BHCK

    def select(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order. Shape (B',)."""
        moves = _Moves(sentences.numpy())
        self._pasts = [
            (moves.apply(key, self.length), moves.apply(value, self.length))
            for key, value in self._pasts
        ]
        new_rows = [-1] * sum(len(group.rows) for group in self.groups)
        for new, old in enumerate(sentences.tolist()):
            new_rows[old] = new
        for group in self.groups:
            group.select(new_rows)
        self.groups = [group for group in self.groups if group.rows]
        self.order = self._find_order()

    def select_positions(self, positions_BN: Tensor) -> None:
        """Keep only some positions of each sentence's past, in this order. Shape (B, N)."""
        B, H, C, K = self._pasts[0][0].shape
        self.length = positions_BN.size(1)
        heads_BH1 = np.arange(0, B * H * C, C).reshape(B, H, 1)
        rows_BHN = heads_BH1 + positions_BN.numpy()[:, None]
        self._pasts = [
            (key_BHCK.reshape(-1, K)[rows_BHN], value_BHCK.reshape(-1, K)[rows_BHN])
            for key_BHCK, value_BHCK in self._pasts
        ]

    def _allocate(self, length: int, capacity: int) -> None:
        self._bias_C = np.full(capacity, -math.inf, np.float32)
        self._bias_C[:length] = 0.0
        if self._pasts:
            self._pasts = [
                (_resized(key, length, capacity), _resized(value, length, capacity))
                for key, value in self._pasts
            ]
            return
        B = sum(len(group.rows) for group in self.groups)
        _, H, _, K = self.groups[0].layers[0][0].shape
        shape = (B, H, capacity, K)
        # Torch reuses memory; numpy takes five times as long to allocate a large array.
        self._pasts = [
            (torch.zeros(shape).numpy(), torch.zeros(shape).numpy()) for _ in self.groups[0].layers
        ]

    def _find_order(self) -> tuple[np.ndarray, np.ndarray] | None:
        rows = np.array([row for group in self.groups for row in group.rows], dtype=np.int64)
        return None if np.array_equal(rows, np.arange(len(rows))) else (rows, np.argsort(rows))


class _Moves:
    """The sentences that stay in a batch; only those whose row changes are copied.

    Args:
        rows: Old row of each sentence that stays, in the new order.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.n_kept = len(rows)
        self.to = (rows != np.arange(len(rows))).nonzero()[0]
        self.from_ = rows[self.to]

    def apply(self, values_BHMK: np.ndarray, length: int | None = None) -> np.ndarray:
        """Move values in place, of M positions the first `length`, and return the kept part."""
        if len(self.to):
            used_BHMK = values_BHMK[:, :, :length]
            used_BHMK[self.to] = used_BHMK[self.from_]
        return values_BHMK[: self.n_kept]


def _resized(values_BHCK: np.ndarray, length: int, capacity: int) -> np.ndarray:
    B, H, _, K = values_BHCK.shape
    resized = torch.empty(B, H, capacity, K).numpy()
    resized[:, :, :length] = values_BHCK[:, :, :length]
    resized[:, :, length:] = 0.0
    return resized

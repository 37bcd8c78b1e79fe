"""State of the packed decoder: sources padded to different lengths share a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.model.positions import RotaryPositions
from mtkit.search.batch_layout import filled_gaps

_MIN_STEPS_AHEAD, _SHARE_AHEAD = 4, 8
"""Over-allocate by at least this many steps, and by at least 1/8 of the current length."""

KeyValue = tuple[np.ndarray, np.ndarray]
"""Keys and values of one layer, in float32. Shape (B, H, M, K)."""


class StepCache(Protocol):
    """State of the packed decoder: sources and earlier steps, and the attention to them."""

    n_steps: int
    """Number of steps taken."""

    def begin_step(self, W: int, ancestors: Tensor | None) -> Tensor:
        """Begin a step of W hypotheses of each sentence.

        Args:
            W: Hypotheses of each sentence.
            ancestors: The positions that each hypothesis descends from, as its state finds them.
        """
        ...

    def attend_to_past(
        self, number: int, fused_RX: np.ndarray, n_heads: int, rotary: RotaryPositions | None
    ) -> Tensor:
        """Add this step's positions to a layer, and attend to all of them.

        Args:
            number: Index of the layer.
            fused_RX: Queries, which are scaled already, keys and values. Shape (R, 3 D); the first
                B x W rows count.
            n_heads: Number of heads.
            rotary: Rotary positions, if the model has them.
        Returns:
            Shape (B x W, D).
        """
        ...

    def attend_to_sources(self, number: int, query_RD: np.ndarray, n_heads: int) -> Tensor:
        """Attend from each hypothesis to its own source; see `attend_to_past`."""
        ...

    def select(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order. Shape (B',)."""
        ...


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
    """A `StepCache` whose attention is computed by numpy.

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
        self._shape = (0, 0)
        """Sentences and hypotheses of each, in this step."""
        self._bias_B1WC = torch.empty(0)
        """Added to the attention scores in this step."""
        self._bias_C = np.empty(0, np.float32)
        """Minus infinity at positions that are allocated but not yet used, else zero."""
        self.order = self._find_order()
        """Indices that sort the batch by group, and their inverse; None if it is sorted already."""

    def begin_step(self, W: int, ancestors: Tensor | None) -> Tensor:
        """See `StepCache`; allocates one more position for each hypothesis.

        Args:
            W: Hypotheses of each sentence.
            ancestors: Which of the M positions, this step's included, each hypothesis attends to.
                Shape (B, W, M); None is all.
        Returns:
            Values that are added to the attention scores of all C allocated positions; broadcasts
            to (B, 1, W, C). Valid in this step.
        """
        start, self.length = self.length, self.length + W
        if not self._pasts or self.length > self._pasts[0][0].shape[2]:
            n_ahead = max((_MIN_STEPS_AHEAD - 1) * W, start // _SHARE_AHEAD)
            self._allocate(start, self.length + n_ahead)
        self._bias_C[start : self.length] = 0.0
        self._shape = (self._n_sentences, W)
        if ancestors is None:
            self._bias_B1WC = torch.from_numpy(self._bias_C)
        else:
            n_spare = len(self._bias_C) - self.length
            self._bias_B1WC = F.pad(bias_of(ancestors[:, None]), (0, n_spare), value=-math.inf)
        return self._bias_B1WC

    def attend_to_past(
        self, number: int, fused_RX: np.ndarray, n_heads: int, rotary: RotaryPositions | None
    ) -> Tensor:
        """See `StepCache`."""
        n_rows = math.prod(self._shape)
        query, key, value = (
            fused_RX[:n_rows].reshape(*self._shape, 3, n_heads, -1).transpose(2, 0, 3, 1, 4)
        )
        if rotary is not None:
            query, key = (
                rotary.rotate_at(self.n_steps, torch.from_numpy(part)).numpy()
                for part in (query, key)
            )
        out_RD = torch.empty(n_rows, fused_RX.shape[1] // 3)
        _attend(
            query,
            *self.append(number, key, value),
            self._bias_B1WC,
            out_RD.numpy().reshape(*self._shape, n_heads, -1).swapaxes(1, 2),
        )
        return out_RD

    def attend_to_sources(self, number: int, query_RD: np.ndarray, n_heads: int) -> Tensor:
        """See `StepCache`."""
        n_rows = math.prod(self._shape)
        query_BWHK = query_RD[:n_rows].reshape(*self._shape, n_heads, -1)
        if self.order is not None:
            query_BWHK = query_BWHK[self.order[0]]
        out_RD = torch.empty(n_rows, query_RD.shape[1])
        out_BWHK = out_RD.numpy().reshape(query_BWHK.shape)
        start = 0
        for group in self.groups:
            rows = slice(start, start + len(group.rows))
            _attend(
                query_BWHK[rows].swapaxes(1, 2),
                *group.layers[number],
                group.bias_B11S,
                out_BWHK[rows].swapaxes(1, 2),
            )
            start = rows.stop
        if self.order is not None:
            out_RD = torch.from_numpy(out_BWHK[self.order[1]]).view(out_RD.shape)
        return out_RD

    def append(self, layer: int, key_BHWK: np.ndarray, value_BHWK: np.ndarray) -> KeyValue:
        """Add this step's positions to one layer and return all. Shapes (B, H, C, K)."""
        key_BHCK, value_BHCK = self._pasts[layer]
        new = slice(self.length - key_BHWK.shape[2], self.length)
        key_BHCK[:, :, new] = key_BHWK
        value_BHCK[:, :, new] = value_BHWK
        return key_BHCK, value_BHCK

    def select(self, sentences: Tensor) -> None:
        """See `StepCache`."""
        moves = _Moves(sentences.numpy())
        self._pasts = [
            (moves.apply(key, self.length), moves.apply(value, self.length))
            for key, value in self._pasts
        ]
        new_rows = [-1] * self._n_sentences
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

    @property
    def _n_sentences(self) -> int:
        return sum(len(group.rows) for group in self.groups)

    def _allocate(self, length: int, capacity: int) -> None:
        self._bias_C = np.full(capacity, -math.inf, np.float32)
        self._bias_C[:length] = 0.0
        if self._pasts:
            self._pasts = [
                (_resized(key, length, capacity), _resized(value, length, capacity))
                for key, value in self._pasts
            ]
            return
        B, (_, H, _, K) = self._n_sentences, self.groups[0].layers[0][0].shape
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


def _attend(
    query_BHWK: np.ndarray,
    key_BHMK: np.ndarray,
    value_BHMK: np.ndarray,
    bias: Tensor | None,
    out_BHWK: np.ndarray,
) -> None:
    """Compute attention with queries that are scaled already.

    The products are numpy's, which multiplies many small matrices in one call: torch takes two to
    three times as long, and needs the heads to be contiguous.

    Args:
        bias: Added to the scores; broadcasts to (B, H, W, M).
        out_BHWK: Receives the result.
    """
    score_BHWM = torch.empty(*query_BHWK.shape[:3], key_BHMK.shape[2])
    score = score_BHWM.numpy()
    np.matmul(query_BHWK, key_BHMK.swapaxes(2, 3), out=score)
    if bias is not None:
        score_BHWM += bias
    torch.softmax(score_BHWM, 3, out=score_BHWM)
    np.matmul(score, value_BHMK, out=out_BHWK)


def bias_of(may_attend: Tensor) -> Tensor:
    """Convert a mask to values that are added to the scores of attention."""
    return torch.zeros(may_attend.shape).masked_fill_(~may_attend, -math.inf)

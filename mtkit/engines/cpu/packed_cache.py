"""What the decoder of a packed model remembers between steps: sentences whose sources are padded to different lengths share a batch."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtkit.model.cache import Moves, filled_gaps

_STEPS_AHEAD, _SHARE_AHEAD = 4, 8
"""There is room for at least so many steps more, and for one part in so many of what there is."""


@dataclass
class SourceGroup:
    """Sentences of a batch whose sources are padded to one length: what their hypotheses attend to."""

    places: list[int]
    """Of these sentences in the batch."""
    layers: list[tuple[np.ndarray, np.ndarray]]
    """Keys and values for each layer of the decoder, in float32. Shape (B, H, S, K)."""
    bias_B11S: Tensor | None
    """Zero where the source may be attended to, minus infinity on padding; None where there is none."""

    def keep(self, new_places: list[int]) -> None:
        """Follow the sentences to their new places in the batch, given for all its old ones; -1 for those that leave it."""
        places = [new_places[place] for place in self.places]
        order = filled_gaps([place >= 0 for place in places])
        self.places = [places[row] for row in order]
        if len(order) == len(places):
            return
        moves = Moves.of_sentences(torch.tensor(order, dtype=torch.long))
        if self.bias_B11S is not None:
            self.bias_B11S = moves.apply(self.bias_B11S)
        moves = moves.of_arrays()
        self.layers = [(moves.apply(key), moves.apply(value)) for key, value in self.layers]


class PackedCache:
    """Everything that the packed decoder needs of the steps before.

    All sentences are at the same step, so that the decoder's own past is the same number of positions for each. Their sources are attended to group
    by group, since padding them to one length would change the last bits of a result.

    It is held in arrays of numpy's, which multiplies and copies such small matrices faster than torch. The keys of a head lie in one stretch of
    memory with those of the next, unused ones included, which are zero: a processor that has to skip what is unused reads the rest at a third of the
    speed. So there is little room ahead, and attention goes over all of it.

    Args:
        groups: Which together hold every place of the batch once.
        may_forget: Whether positions may be left out that no hypothesis descends from. How many are left is up to all sentences, and so the last bits
            of each one's results are then too.
    """

    def __init__(self, groups: list[SourceGroup], may_forget: bool = False) -> None:
        self.groups = groups
        self.may_forget = may_forget
        self.n_steps: int | Tensor = 0
        self.length = 0
        """Positions that the past holds: one for each hypothesis of each step, unless they have been left out."""
        self._pasts: list[tuple[np.ndarray, np.ndarray]] = []
        self._bias_C = np.empty(0, np.float32)
        """Minus infinity at positions that are not there yet, else zero."""
        self.order = self._find_order()
        """How to get from the sentences of the batch to those of the groups one after the other, and back; None where the order is the same."""

    def begin_step(self, W: int, bias_B1WM: Tensor | None) -> Tensor:
        """Make room for one more position of each of W hypotheses.

        Args:
            W: Hypotheses of each sentence.
            bias_B1WM: What is added to the scores of attention to the M positions that there will be; None is nothing.
        Returns:
            The same for all C positions that there is room for, which broadcasts to shape (B, 1, W, C). It is to be used in this step.
        """
        start, self.length = self.length, self.length + W
        if not self._pasts or self.length > self._pasts[0][0].shape[2]:
            self._make_room(start, self.length + max((_STEPS_AHEAD - 1) * W, start // _SHARE_AHEAD))
        self._bias_C[start : self.length] = 0.0
        if bias_B1WM is None:
            return torch.from_numpy(self._bias_C)
        return F.pad(bias_B1WM, (0, len(self._bias_C) - self.length), value=-math.inf)

    def append(
        self, number: int, key_BHWK: np.ndarray, value_BHWK: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the positions of this step to one layer, and give back all. Shapes (B, H, C, K)."""
        key_BHCK, value_BHCK = self._pasts[number]
        new = slice(self.length - key_BHWK.shape[2], self.length)
        key_BHCK[:, :, new] = key_BHWK
        value_BHCK[:, :, new] = value_BHWK
        return key_BHCK, value_BHCK

    def _make_room(self, length: int, capacity: int) -> None:
        self._bias_C = np.full(capacity, -math.inf, np.float32)
        self._bias_C[:length] = 0.0
        if self._pasts:
            self._pasts = [
                (_resized(key, length, capacity), _resized(value, length, capacity))
                for key, value in self._pasts
            ]
            return
        B = sum(len(group.places) for group in self.groups)
        _, H, _, K = self.groups[0].layers[0][0].shape
        shape = (B, H, capacity, K)
        # In memory of torch's, which has been used before: in numpy's own, a large array takes five times as long.
        self._pasts = [
            (torch.zeros(shape).numpy(), torch.zeros(shape).numpy()) for _ in self.groups[0].layers
        ]

    def keep(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order, and forget the others. Shape (B',)."""
        moves = Moves.of_sentences(sentences).of_arrays()
        self._pasts = [
            (moves.apply(key, self.length), moves.apply(value, self.length))
            for key, value in self._pasts
        ]
        new_places = [-1] * sum(len(group.places) for group in self.groups)
        for new, old in enumerate(sentences.tolist()):
            new_places[old] = new
        for group in self.groups:
            group.keep(new_places)
        self.groups = [group for group in self.groups if group.places]
        self.order = self._find_order()

    def select(self, positions_BN: Tensor) -> None:
        """Leave out of the past of each sentence all but some positions, which then lie in the order of shape (B, N)."""
        B, H, C, K = self._pasts[0][0].shape
        self.length = positions_BN.size(1)
        heads_BH1 = np.arange(0, B * H * C, C).reshape(B, H, 1)
        rows_BHN = heads_BH1 + positions_BN.numpy()[:, None]
        for number, (key_BHCK, value_BHCK) in enumerate(self._pasts):
            self._pasts[number] = (
                key_BHCK.reshape(-1, K)[rows_BHN],
                value_BHCK.reshape(-1, K)[rows_BHN],
            )

    def _find_order(self) -> tuple[np.ndarray, np.ndarray] | None:
        there = np.array([place for group in self.groups for place in group.places], dtype=np.int64)
        return None if np.array_equal(there, np.arange(len(there))) else (there, np.argsort(there))


def _resized(values_BHCK: np.ndarray, length: int, capacity: int) -> np.ndarray:
    B, H, _, K = values_BHCK.shape
    resized = torch.empty(B, H, capacity, K).numpy()
    resized[:, :, :length] = values_BHCK[:, :, :length]
    resized[:, :, length:] = 0.0
    return resized

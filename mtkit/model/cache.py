"""State of step-by-step decoding: keys and values of past positions, passed as an argument."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class KeyValueCache:
    """Keys and values of one decoder layer's self-attention, for M positions so far.

    A step adds one position for each of the W hypotheses of a sentence. All positions stay, in the
    order in which they were added, and a mask selects the ancestors of each hypothesis: reordering
    hypotheses copies nothing here.
    """

    key_BHMK: Tensor | None = None
    value_BHMK: Tensor | None = None

    def append(self, key_BHQK: Tensor, value_BHQK: Tensor) -> tuple[Tensor, Tensor]:
        """Add Q positions and return all of them. Shapes (B, H, M + Q, K)."""
        if self.key_BHMK is None or self.value_BHMK is None:
            self.key_BHMK, self.value_BHMK = key_BHQK, value_BHQK
        else:
            self.key_BHMK = torch.cat((self.key_BHMK, key_BHQK), dim=2)
            self.value_BHMK = torch.cat((self.value_BHMK, value_BHQK), dim=2)
        return self.key_BHMK, self.value_BHMK

    def select(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order. Shape (B',)."""
        if self.key_BHMK is not None and self.value_BHMK is not None:
            self.key_BHMK = self.key_BHMK.index_select(0, sentences)
            self.value_BHMK = self.value_BHMK.index_select(0, sentences)


@dataclass
class LayerCache:
    """State of one decoder layer: the encoder's output as keys and values, and its own past."""

    memory_key_BHSK: Tensor
    memory_value_BHSK: Tensor
    past: KeyValueCache = field(default_factory=KeyValueCache)

    def select(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order. Shape (B',)."""
        self.memory_key_BHSK = self.memory_key_BHSK.index_select(0, sentences)
        self.memory_value_BHSK = self.memory_value_BHSK.index_select(0, sentences)
        self.past.select(sentences)


@dataclass
class DecoderCache:
    """State of the whole decoder between steps."""

    layers: list[LayerCache]
    may_attend_B11S: Tensor
    """True where the source may be attended to, False on padding."""
    n_steps: Tensor
    """Number of steps so far, which is the position of the coming one. Shape (1,)."""

    def select(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order. Shape (B',)."""
        for layer in self.layers:
            layer.select(sentences)
        self.may_attend_B11S = self.may_attend_B11S.index_select(0, sentences)

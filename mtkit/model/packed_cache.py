"""What the decoder of a packed model remembers between steps: sentences whose sources are padded to different lengths share a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mtkit.model.cache import KeyValueCache, Moves, filled_gaps


@dataclass
class SourceGroup:
    """Sentences of a batch whose sources are padded to one length: what their hypotheses attend to."""

    places: list[int]
    """Of these sentences in the batch."""
    layers: list[tuple[Tensor, Tensor]]
    """Keys and values for each layer of the decoder. Shape (B, H, S, K)."""
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
        self.layers = [(moves.apply(key), moves.apply(value)) for key, value in self.layers]
        if self.bias_B11S is not None:
            self.bias_B11S = moves.apply(self.bias_B11S)


class PackedCache:
    """Everything that the packed decoder needs of the steps before.

    All sentences are at the same step, so that the decoder's own past is the same number of positions for each. Their sources are attended to group
    by group, since padding them to one length would change the last bits of a result.

    Args:
        groups: Which together hold every place of the batch once.
        may_forget: Whether positions may be left out that no hypothesis descends from. How many are left is up to all sentences, and so the last bits
            of each one's results are then too.
    """

    def __init__(self, groups: list[SourceGroup], may_forget: bool = False) -> None:
        self.groups = groups
        self.may_forget = may_forget
        self.pasts = [KeyValueCache() for _ in groups[0].layers]
        self.n_steps: int | Tensor = 0
        self._heads: tuple[int, tuple[Tensor, Tensor] | None] = 0, None

    def keep(self, sentences: Tensor) -> None:
        """Keep only these sentences, in this order, and forget the others. Shape (B',)."""
        moves = Moves.of_sentences(sentences)
        for past in self.pasts:
            past.keep(moves)
        new_places = [-1] * sum(len(group.places) for group in self.groups)
        for new, old in enumerate(sentences.tolist()):
            new_places[old] = new
        for group in self.groups:
            group.keep(new_places)
        self.groups = [group for group in self.groups if group.places]
        self._heads = 0, None

    def heads(self, W: int, H: int) -> tuple[Tensor, Tensor] | None:
        """How to get from the heads of all rows to those of the groups, and back.

        Args:
            W: Hypotheses of each sentence.
            H: Heads.
        Returns:
            For each group's sentence, head and hypothesis its place among sentence, hypothesis and head of the batch; and the other way round. None
            where the order is the same.
        """
        if self._heads[0] != W:
            self._heads = W, self._find_heads(W, H)
        return self._heads[1]

    def _find_heads(self, W: int, H: int) -> tuple[Tensor, Tensor] | None:
        places = [place for group in self.groups for place in group.places]
        if W == 1 and places == list(range(len(places))):
            return None
        first_B11 = torch.tensor(places)[:, None, None] * (W * H)
        there_X = (first_B11 + torch.arange(H)[:, None] + torch.arange(0, W * H, H)).flatten()
        return there_X, torch.empty_like(there_X).scatter_(0, there_X, torch.arange(len(there_X)))

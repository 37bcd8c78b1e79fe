"""Phrases that must not appear."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton
from mtkit.search.constraints.phrase_tracker import trackers_for


class TrackedPhrases:
    """Where each hypothesis of each sentence is in the phrases of its sentence.

    Args:
        phrases: Of each sentence.
        once: See `Tracker`.
    """

    def __init__(self, phrases: Sequence[Sequence[PhraseAutomaton]], once: bool) -> None:
        self.trackers = trackers_for(phrases, once)
        self.places = [[0] for _ in phrases]

    def advance(self, parents_BW: Tensor, token_ids_BW: Tensor) -> None:
        """Follow hypotheses into their next pieces."""
        for row, (tracker, parents, tokens) in enumerate(
            zip(self.trackers, parents_BW.tolist(), token_ids_BW.tolist(), strict=True)
        ):
            old = self.places[row]
            self.places[row] = [
                tracker.next(old[parent], token)
                for parent, token in zip(parents, tokens, strict=True)
            ]

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these."""
        rows = sentences.tolist()
        self.trackers = [self.trackers[row] for row in rows]
        self.places = [self.places[row] for row in rows]


class NegativeConstraints(TrackedPhrases):
    """Makes the pieces impossible that would complete a phrase.

    Args:
        phrases: Of each sentence.
    """

    def __init__(self, phrases: Sequence[Sequence[PhraseAutomaton]]) -> None:
        super().__init__(phrases, once=False)

    def block(self, log_probs_BWV: Tensor) -> None:
        """Change the log-probabilities of the next pieces; in place."""
        where = [
            (row, column, token)
            for row, (tracker, places) in enumerate(zip(self.trackers, self.places, strict=True))
            for column, place in enumerate(places)
            for token in tracker.completing(place)
        ]
        if where:
            log_probs_BWV[torch.tensor(where, device=log_probs_BWV.device).unbind(1)] = -math.inf

"""Phrases that must appear: lexical constraints in a beam."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.search.constraints.negative import TrackedPhrases
from mtkit.search.constraints.phrase_automaton import PhraseAutomaton


class Taken(NamedTuple):
    """Some log-probabilities, and whose they are."""

    where: tuple[Tensor, ...]
    values: Tensor


class PositiveConstraints(TrackedPhrases):
    """Keeps hypotheses from ending without their phrases, and from going on until there is no room for them.

    Args:
        phrases: Of each sentence.
        max_lengths: Most tokens of each sentence, EOS counted; there is room for all phrases.
    """

    def __init__(
        self, phrases: Sequence[Sequence[PhraseAutomaton]], max_lengths: Sequence[int]
    ) -> None:
        super().__init__(phrases, once=True)
        self.max_lengths = list(max_lengths)

    def take(self, log_probs_BWV: Tensor) -> Taken | None:
        """The log-probabilities of pieces that lead on in a phrase, before other rules change them."""
        where = [
            (row, column, token)
            for row, (tracker, places) in enumerate(zip(self.trackers, self.places, strict=True))
            for column, place in enumerate(places)
            for token in tracker.advancing(place)
        ]
        if not where:
            return None
        index = torch.tensor(where, device=log_probs_BWV.device).unbind(1)
        return Taken(index, log_probs_BWV[index])

    def put(self, log_probs_BWV: Tensor, taken: Taken | None) -> None:
        """Put these back; in place."""
        if taken is not None:
            log_probs_BWV[taken.where] = taken.values

    def block(self, log_probs_BWV: Tensor, length: int, eos_id: int) -> None:
        """Make the end impossible as long as a phrase is missing, and pieces after which the phrases would not fit; in place."""
        for row, (tracker, places, limit) in enumerate(
            zip(self.trackers, self.places, self.max_lengths, strict=True)
        ):
            room = limit - 1 - length
            for column, place in enumerate(places):
                if tracker.n_needed(place) == 0:
                    continue
                log_probs_BWV[row, column, eos_id] = -math.inf
                if tracker.n_needed_at_worst(place) > room:
                    fitting = [
                        token
                        for token in tracker.advancing(place)
                        if tracker.n_needed(tracker.next(place, token)) <= room
                    ]
                    index = torch.tensor(fitting, dtype=torch.long, device=log_probs_BWV.device)
                    values = log_probs_BWV[row, column, index]
                    log_probs_BWV[row, column] = -math.inf
                    log_probs_BWV[row, column, index] = values

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these."""
        super().keep(sentences)
        self.max_lengths = [self.max_lengths[row] for row in sentences.tolist()]

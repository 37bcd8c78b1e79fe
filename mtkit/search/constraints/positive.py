"""Positive constraints: phrases that must appear."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton
from mtkit.search.constraints.phrase_tracker import PhraseTracker, TrackedPhrases


class SavedLogProbs(NamedTuple):
    """Some log-probabilities, to be restored after other rules have changed them."""

    index: tuple[Tensor, ...]
    values: Tensor

    def restore(self, log_probs_BWV: Tensor) -> None:
        """Write the saved values back, in place."""
        log_probs_BWV[self.index] = self.values


class PositiveConstraints(TrackedPhrases):
    """Required phrases of a batch; hypotheses neither end nor become too long without them.

    Args:
        phrases: Required phrases of each sentence.
        max_lengths: Maximum number of tokens of each sentence, EOS included; all phrases fit.
    """

    def __init__(
        self, phrases: Sequence[Sequence[PhraseAutomaton]], max_lengths: Sequence[int]
    ) -> None:
        super().__init__(phrases, once=True)
        self.max_lengths = list(max_lengths)

    def save(self, log_probs_BWV: Tensor) -> SavedLogProbs | None:
        """Save the log-probabilities of tokens that lead further into a phrase; None if none do."""
        index = self.index_of(PhraseTracker.advancing, log_probs_BWV.device)
        return None if index is None else SavedLogProbs(index, log_probs_BWV[index])

    def mask(self, log_probs_BWV: Tensor, length: int, eos_id: int) -> None:
        """Make EOS impossible while a phrase is missing, and tokens that leave too little space.

        Args:
            log_probs_BWV: Log-probabilities of the next tokens; changed in place.
            length: Number of tokens of a hypothesis after this step.
            eos_id: Id of EOS.
        """
        for row, (tracker, states, max_length) in enumerate(
            zip(self.trackers, self.states, self.max_lengths, strict=True)
        ):
            n_available = max_length - 1 - length
            for column, state in enumerate(states):
                if tracker.n_needed(state) == 0:
                    continue
                log_probs_BWV[row, column, eos_id] = -math.inf
                if tracker.n_needed_from_start(state) > n_available:
                    fitting = [
                        token
                        for token in tracker.advancing(state)
                        if tracker.n_needed(tracker.next(state, token)) <= n_available
                    ]
                    index = torch.tensor(fitting, dtype=torch.long, device=log_probs_BWV.device)
                    values = log_probs_BWV[row, column, index]
                    log_probs_BWV[row, column] = -math.inf
                    log_probs_BWV[row, column, index] = values

    def select(self, rows: Tensor) -> None:
        """Drop all sentences but these. Shape (B',)."""
        super().select(rows)
        self.max_lengths = [self.max_lengths[row] for row in rows.tolist()]

"""Negative constraints: phrases that must not appear."""

import math
from collections.abc import Sequence

from torch import Tensor

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton
from mtkit.search.constraints.phrase_tracker import PhraseTracker, TrackedPhrases


class NegativeConstraints(TrackedPhrases):
    """Forbidden phrases of a batch; tokens that would complete one are impossible.

    Args:
        phrases: Forbidden phrases of each sentence.
    """

    def __init__(self, phrases: Sequence[Sequence[PhraseAutomaton]]) -> None:
        super().__init__(phrases, once=False)

    def mask(self, log_probs_BWV: Tensor) -> None:
        """Set the log-probabilities of these tokens to minus infinity, in place."""
        index = self.index_of(PhraseTracker.completing, log_probs_BWV.device)
        if index is not None:
            log_probs_BWV[index] = -math.inf

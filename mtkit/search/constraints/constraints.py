"""Lexical constraints on a translation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtkit.search.constraints.phrase_automaton import PhraseAutomaton


@dataclass(frozen=True)
class Constraints:
    """Constraints on the translation of one sentence, which other processes can load."""

    prefix_ids: tuple[int, ...] = ()
    """Token ids with which the translation begins."""
    n_hidden: int = 0
    """Number of leading prefix tokens that are not part of the text, such as a language tag. They
    do not count towards the minimum and maximum length, and their probability is not counted."""
    positive: "tuple[PhraseAutomaton, ...]" = ()
    """Phrases that must appear, in any order."""
    negative: "tuple[PhraseAutomaton, ...]" = ()
    """Phrases that must not appear after the prefix."""

    @property
    def n_needed(self) -> int:
        """Maximum number of tokens that the prefix and the required phrases take."""
        n_phrases = sum(phrase.n_needed(frozenset()) for phrase in self.positive)
        return len(self.prefix_ids) + n_phrases

    def are_satisfied_by(self, token_ids: Sequence[int]) -> bool:
        """Return whether a translation, without hidden tokens, contains all required phrases."""
        from mtkit.search.constraints.phrase_tracker import PhraseTracker

        tracker, state = PhraseTracker(self.positive, once=True), 0
        for token in token_ids:
            state = tracker.next(state, token)
        return tracker.n_needed(state) == 0

    def __bool__(self) -> bool:
        return bool(self.prefix_ids or self.positive or self.negative)

"""What one translation has to hold, and must not hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton
from mtkit.search.constraints.phrase_tracker import PhraseTracker


@dataclass(frozen=True)
class Constraints:
    """Of one sentence. Plain data that may travel to another process."""

    prefix_ids: tuple[int, ...] = ()
    """The pieces that it begins with."""
    n_hidden: int = 0
    """Of these, how many at the start are not part of the text, such as a language tag; they do not count for the minimum and maximum length."""
    positive: tuple[PhraseAutomaton, ...] = ()
    """Phrases that it holds, in any order."""
    negative: tuple[PhraseAutomaton, ...] = ()
    """Phrases that it does not hold beyond the prefix."""

    @property
    def n_needed(self) -> int:
        """Most pieces that prefix and phrases take together."""
        return len(self.prefix_ids) + sum(phrase.n_needed(frozenset()) for phrase in self.positive)

    def are_satisfied_by(self, token_ids: Sequence[int]) -> bool:
        """Return whether token ids, without the hidden ones, contain all phrases that must appear."""
        tracker, place = PhraseTracker(self.positive, once=True), 0
        for token in token_ids:
            place = tracker.next(place, token)
        return tracker.n_needed(place) == 0

    def __bool__(self) -> bool:
        return bool(self.prefix_ids or self.positive or self.negative)

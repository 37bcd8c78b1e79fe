"""Where hypotheses are in several phrases at once; what has been worked out for one hypothesis is known for all."""

from collections.abc import Sequence

from mtkit.search.constraints.phrase_automaton import PhraseAutomaton, Positions

Place = tuple[Positions | None, ...]
"""For each phrase the positions in it, or None once it is complete."""


class PhraseTracker:
    """Follows hypotheses through a list of phrases. Places are numbered as they turn up; the first is 0.

    Args:
        phrases: Which.
        once: Whether a phrase that is complete is done with, as one that must be there; else it is looked for again.
    """

    def __init__(self, phrases: Sequence[PhraseAutomaton], once: bool) -> None:
        self.phrases = tuple(phrases)
        self.once = once
        self._places: list[Place] = []
        self._numbers: dict[Place, int] = {}
        self._next: dict[tuple[int, int], int] = {}
        self._completing: dict[int, list[int]] = {}
        self._advancing: dict[int, list[int]] = {}
        self._needed: dict[int, int] = {}
        self._number(tuple(phrase.start for phrase in self.phrases))

    def next(self, place: int, token: int) -> int:
        """Where one more piece leads."""
        key = (place, token)
        if key not in self._next:
            self._next[key] = self._number(
                tuple(
                    self._one_further(*pair, token)
                    for pair in zip(self.phrases, self._places[place], strict=True)
                )
            )
        return self._next[key]

    def completing(self, place: int) -> list[int]:
        """The pieces that would complete a phrase that is not complete yet."""
        if place not in self._completing:
            self._completing[place] = sorted(
                set().union(*(phrase.completing(at) for phrase, at in self._open(place)))
            )
        return self._completing[place]

    def advancing(self, place: int) -> list[int]:
        """The pieces that would complete such a phrase or lead further into it."""
        if place not in self._advancing:
            self._advancing[place] = sorted(
                set().union(*(phrase.advancing(at) for phrase, at in self._open(place)))
            )
        return self._advancing[place]

    def n_needed(self, place: int) -> int:
        """How many pieces complete all phrases, if they come one after the other."""
        if place not in self._needed:
            self._needed[place] = sum(phrase.n_needed(at) for phrase, at in self._open(place))
        return self._needed[place]

    def n_needed_at_worst(self, place: int) -> int:
        """The same after any piece that leads nowhere."""
        return sum(phrase.n_needed(frozenset()) for phrase, _ in self._open(place))

    def _open(self, place: int) -> list[tuple[PhraseAutomaton, Positions]]:
        return [
            (phrase, at)
            for phrase, at in zip(self.phrases, self._places[place], strict=True)
            if at is not None
        ]

    def _one_further(
        self, phrase: PhraseAutomaton, at: Positions | None, token: int
    ) -> Positions | None:
        if at is None:
            return None
        then, is_complete = phrase.next(at, token)
        return None if is_complete and self.once else then

    def _number(self, place: Place) -> int:
        if place not in self._numbers:
            self._numbers[place] = len(self._places)
            self._places.append(place)
        return self._numbers[place]


def trackers_for(groups: Sequence[Sequence[PhraseAutomaton]], once: bool) -> list[PhraseTracker]:
    """One for each list of phrases; equal lists share theirs."""
    known: dict[tuple[int, ...], PhraseTracker] = {}
    return [
        known.setdefault(tuple(map(id, phrases)), PhraseTracker(phrases, once))
        for phrases in groups
    ]

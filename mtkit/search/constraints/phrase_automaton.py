"""Finite automata that recognize a phrase, however it is split into tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

Positions = frozenset[int]
"""Positions of an automaton that a hypothesis has reached. There are several while it is undecided
where the phrase began."""

NOWHERE: Positions = frozenset()


@dataclass(frozen=True, eq=False)
class PhraseAutomaton:
    """A nondeterministic automaton over tokens that accepts every spelling of a phrase.

    Positions are numbered from 0, the start.
    """

    text: str
    """The phrase, for messages."""
    steps: tuple[dict[int, Positions], ...]
    """For each position, the positions that tokens lead to without completing the phrase."""
    ends: tuple[frozenset[int], ...]
    """For each position, the tokens that complete the phrase."""
    always: Positions = frozenset((0,))
    """Positions that are active in every hypothesis, because the phrase may begin anywhere."""
    openers: frozenset[int] = frozenset()
    """Tokens that make position 1 active, as the start of the sentence does: after them a word may
    begin without a space."""
    n_left: tuple[float, ...] = ()
    """For each position, the minimum number of tokens that complete the phrase."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_left", _minimum_tokens(self.steps, self.ends))

    @property
    def start(self) -> Positions:
        """Positions of an empty hypothesis."""
        return frozenset((1,)) if self.openers else NOWHERE

    def next(self, positions: Positions, token: int) -> tuple[Positions, bool]:
        """Return the positions after one more token, and whether it completes the phrase."""
        active = positions | self.always
        targets = {1} if token in self.openers else set()
        for position in active:
            targets |= self.steps[position].get(token, NOWHERE)
        return frozenset(targets), any(token in self.ends[position] for position in active)

    def completing(self, positions: Positions) -> set[int]:
        """Return the tokens that complete the phrase in the next step."""
        return {token for position in positions | self.always for token in self.ends[position]}

    def advancing(self, positions: Positions) -> set[int]:
        """Return the tokens that complete the phrase or lead further into it."""
        active = positions | self.always
        return self.completing(positions).union(*(self.steps[position] for position in active))

    def n_needed(self, positions: Positions) -> int:
        """Return the minimum number of tokens that complete the phrase.

        Raises:
            ValueError: No sequence of tokens does.
        """
        n_left = min(self.n_left[position] for position in positions | self.always)
        if n_left == float("inf"):
            raise ValueError(f"{self.text!r} cannot be written with these tokens")
        return int(n_left)


def _minimum_tokens(
    steps: Sequence[dict[int, Positions]], ends: Sequence[frozenset[int]]
) -> tuple[float, ...]:
    """Compute the minimum number of tokens from each position to the end of the phrase."""
    n_left = [1.0 if end else float("inf") for end in ends]
    has_changed = True
    while has_changed:
        has_changed = False
        # Most steps lead to higher positions, so a single backward pass is usually enough.
        for position in reversed(range(len(steps))):
            for target in set().union(*steps[position].values()):
                if n_left[target] + 1 < n_left[position]:
                    n_left[position] = n_left[target] + 1
                    has_changed = True
    return tuple(n_left)

"""Phrases in a translation that comes piece by piece: how much of one is there already, and what would complete it."""

from collections.abc import Sequence
from dataclasses import dataclass

Positions = frozenset[int]
"""How far a hypothesis may have come in a phrase, in all ways at once."""

NOWHERE: Positions = frozenset()


@dataclass(frozen=True, eq=False)
class PhraseAutomaton:
    """All the ways in which pieces can spell a phrase: a finite automaton whose positions are numbered from 0, the start."""

    text: str
    """For messages."""
    steps: tuple[dict[int, Positions], ...]
    """For each position, where pieces lead that do not complete the phrase."""
    ends: tuple[frozenset[int], ...]
    """For each position, the pieces that complete the phrase."""
    always: Positions = frozenset((0,))
    """Positions that every hypothesis is at."""
    openers: frozenset[int] = frozenset()
    """Pieces after which a hypothesis is at position 1, and it is so at the start: a word may begin there without a space before it."""
    n_left: tuple[float, ...] = ()
    """For each position, the fewest pieces that complete the phrase."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_left", _fewest(self.steps, self.ends))

    @property
    def start(self) -> Positions:
        """Where a hypothesis without pieces is."""
        return frozenset((1,)) if self.openers else NOWHERE

    def next(self, at: Positions, token: int) -> tuple[Positions, bool]:
        """Where one more piece leads, and whether it completes the phrase."""
        active = at | self.always
        targets = {1} if token in self.openers else set()
        for position in active:
            targets |= self.steps[position].get(token, NOWHERE)
        return frozenset(targets), any(token in self.ends[position] for position in active)

    def completing(self, at: Positions) -> set[int]:
        """The pieces that complete the phrase now."""
        return {token for position in at | self.always for token in self.ends[position]}

    def advancing(self, at: Positions) -> set[int]:
        """The pieces that complete the phrase or lead further into it."""
        return self.completing(at).union(*(self.steps[position] for position in at | self.always))

    def n_needed(self, at: Positions) -> int:
        """The fewest pieces that complete the phrase from here.

        Raises:
            ValueError: No pieces do.
        """
        fewest = min(self.n_left[position] for position in at | self.always)
        if fewest == float("inf"):
            raise ValueError(f"{self.text!r} cannot be written in these pieces")
        return int(fewest)


def _fewest(
    steps: Sequence[dict[int, Positions]], ends: Sequence[frozenset[int]]
) -> tuple[float, ...]:
    left = [1.0 if end else float("inf") for end in ends]
    has_changed = True
    while has_changed:
        has_changed = False
        # Most steps lead to higher positions, so that going backwards one pass does nearly all.
        for position in reversed(range(len(steps))):
            for target in set().union(*steps[position].values()):
                if left[target] + 1 < left[position]:
                    left[position] = left[target] + 1
                    has_changed = True
    return tuple(left)

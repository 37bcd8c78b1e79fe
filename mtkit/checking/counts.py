"""What was found, counted: the tallies of chunks, added in order, are the tally of the corpus, and none of them grows with it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from mtkit.checking.ratios import RatioHistogram

SideName = Literal["src", "tgt"]
SIDES: tuple[SideName, SideName] = ("src", "tgt")
Where = Literal["src", "tgt", "pair"]

MAX_LINES = 10
"""Lines of a kind that are remembered by their numbers."""
_MAX_SCRIPT_MIXES = 1000
"""Mixes of scripts that are counted apart."""


@dataclass
class Occurrences:
    """How often something was found, and on which lines first."""

    n: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, lines: Sequence[int], n: int | None = None) -> None:
        """Count these, or n of which these are the first."""
        self.n += len(lines) if n is None else n
        self.lines += map(int, lines[: MAX_LINES - len(self.lines)])


class ScriptMix(NamedTuple):
    """The scripts of a pair: on each side those that enough of its letters belong to."""

    src: frozenset[str]
    """Empty where there are too few letters to say."""
    tgt: frozenset[str]


@dataclass
class SideCounts:
    """What is known of one side as a whole."""

    n_lines: int = 0
    n_chars: int = 0
    n_sampled: int = 0
    """Lines that were looked at for the following."""
    n_cased: int = 0
    """Lines with letters that have upper and lower case."""
    n_with_upper: int = 0
    markers: Counter[str] = field(default_factory=Counter)
    """Lines with each sign of tokenised text."""

    def merge(self, other: Self) -> None:
        """Add what another counted."""
        for name in ("n_lines", "n_chars", "n_sampled", "n_cased", "n_with_upper"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.markers.update(other.markers)


@dataclass
class CorpusCounts:
    """All counts."""

    sides: dict[SideName, SideCounts] = field(
        default_factory=lambda: {side: SideCounts() for side in SIDES}
    )
    occurrences: dict[tuple[str, Where], Occurrences] = field(default_factory=dict)
    scripts: dict[ScriptMix, Occurrences] = field(default_factory=dict)
    ratios: RatioHistogram = field(default_factory=RatioHistogram)
    n_usable: int = 0
    """Pairs with text on both sides."""

    @property
    def n_pairs(self) -> int:
        """Lines that both sides have."""
        return min(self.sides["src"].n_lines, self.sides["tgt"].n_lines)

    def add(self, name: str, where: Where, lines: Sequence[int]) -> None:
        """Count lines on which something was found."""
        if len(lines):
            self.occurrences.setdefault((name, where), Occurrences()).add(lines)

    def add_scripts(self, mix: ScriptMix, lines: Sequence[int]) -> None:
        """Count pairs that are written in these scripts."""
        if mix in self.scripts or len(self.scripts) < _MAX_SCRIPT_MIXES:
            self.scripts.setdefault(mix, Occurrences()).add(lines)

    def merge(self, other: Self) -> None:
        """Add the tally of lines that follow."""
        for side in SIDES:
            self.sides[side].merge(other.sides[side])
        for key, occurrences in other.occurrences.items():
            self.occurrences.setdefault(key, Occurrences()).add(occurrences.lines, occurrences.n)
        for mix, occurrences in other.scripts.items():
            if mix in self.scripts or len(self.scripts) < _MAX_SCRIPT_MIXES:
                self.scripts.setdefault(mix, Occurrences()).add(occurrences.lines, occurrences.n)
        self.ratios.merge(other.ratios)
        self.n_usable += other.n_usable

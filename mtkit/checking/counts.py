"""Counts of a check in bounded memory: the merged counts of all chunks are those of the corpus."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from mtkit.checking.ratios import RatioHistogram
from mtkit.corpus.sentence_pair import SIDES, Side

Where = Literal["src", "tgt", "pair"]

MAX_LINES = 10
"""Number of lines per finding whose numbers are kept."""
_MAX_SCRIPT_MIXES = 1000
"""Number of combinations of scripts that are counted separately."""


@dataclass
class Occurrences:
    """How often something was found, and the first lines."""

    n: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, lines: Sequence[int], n: int | None = None) -> None:
        """Count these lines, or n lines that begin with these."""
        self.n += len(lines) if n is None else n
        self.lines += map(int, lines[: MAX_LINES - len(self.lines)])


class ScriptMix(NamedTuple):
    """The scripts of a pair: on each side, those of enough of its letters."""

    src: frozenset[str]
    """Empty if there are too few letters."""
    tgt: frozenset[str]


@dataclass
class SideCounts:
    """Counts of one side."""

    n_lines: int = 0
    n_chars: int = 0
    n_sampled: int = 0
    """Number of sampled lines, to which the following counts refer."""
    n_cased: int = 0
    """Number of lines with letters that have upper and lower case."""
    n_with_upper: int = 0
    markers: Counter[str] = field(default_factory=Counter)
    """Number of lines with each marker of tokenized text."""

    def merge(self, other: Self) -> None:
        """Add the counts of another chunk."""
        for name in ("n_lines", "n_chars", "n_sampled", "n_cased", "n_with_upper"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.markers.update(other.markers)


@dataclass
class CorpusCounts:
    """All counts of a corpus or chunk."""

    sides: dict[Side, SideCounts] = field(
        default_factory=lambda: {side: SideCounts() for side in SIDES}
    )
    occurrences: dict[tuple[str, Where], Occurrences] = field(default_factory=dict)
    scripts: dict[ScriptMix, Occurrences] = field(default_factory=dict)
    ratios: RatioHistogram = field(default_factory=RatioHistogram)
    n_usable: int = 0
    """Number of pairs with text on both sides."""

    @property
    def n_pairs(self) -> int:
        """Number of lines that both sides have."""
        return min(self.sides["src"].n_lines, self.sides["tgt"].n_lines)

    def add(self, name: str, where: Where, lines: Sequence[int]) -> None:
        """Count lines on which something was found."""
        if len(lines):
            self.occurrences.setdefault((name, where), Occurrences()).add(lines)

    def add_scripts(self, mix: ScriptMix, lines: Sequence[int], n: int | None = None) -> None:
        """Count pairs in a combination of scripts: these lines, or n that begin with these."""
        if mix in self.scripts or len(self.scripts) < _MAX_SCRIPT_MIXES:
            self.scripts.setdefault(mix, Occurrences()).add(lines, n)

    def merge(self, other: Self) -> None:
        """Add the counts of the lines that follow."""
        for side in SIDES:
            self.sides[side].merge(other.sides[side])
        for key, occurrences in other.occurrences.items():
            self.occurrences.setdefault(key, Occurrences()).add(occurrences.lines, occurrences.n)
        for mix, occurrences in other.scripts.items():
            self.add_scripts(mix, occurrences.lines, occurrences.n)
        self.ratios.merge(other.ratios)
        self.n_usable += other.n_usable

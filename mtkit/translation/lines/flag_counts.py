"""Counts of flagged lines, for the report at the end of a translation."""

from collections import Counter
from collections.abc import Iterable
from typing import Self

UNREMARKABLE = frozenset({"split"})
"""Flags that describe how a line was translated; the others mark possible faults."""
_LINES = "lines"


class FlagCounts(Counter[str]):
    """How many lines have each flag, and how many have any."""

    @classmethod
    def of(cls, flags_of_lines: Iterable[Iterable[str]]) -> Self:
        """Count the flags of some lines."""
        counts = cls()
        for flags in flags_of_lines:
            remarkable = set(flags) - UNREMARKABLE
            counts.update([*remarkable, _LINES] if remarkable else [])
        return counts

    def __str__(self) -> str:
        """For example `3 flagged (2 looped, 1 copied)`; empty if there are none."""
        by_flag = ", ".join(f"{n:,} {flag}" for flag, n in self.most_common() if flag != _LINES)
        return f"{self[_LINES]:,} flagged ({by_flag})" if self[_LINES] else ""

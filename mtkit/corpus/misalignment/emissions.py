"""What speaks for each offset at each line, and the best path through it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.viterbi import best_path, refine_changes

_CHANGE_PENALTY = 10.0
"""Of a change of the offset, in units of log odds, to which the logarithm of the number of lines is added, since chance has as many places.

A line weighs 8 at most; in sound corpora of 20 to 40,000 lines, chance puts 3 to 10 together.
"""
_NO_OFFSET_PENALTY = 40.0
"""Of saying that no offset fits: passages translated freely, or full of words that occur nowhere else, are not rare."""


class Emissions(NamedTuple):
    """What speaks for each state at each line, in units of log odds. The last state is that no offset fits, the others are offsets."""

    values: NDArray[np.float32]
    """Shape (n_lines, n_states)."""
    lowest: int
    """The offset of state 0."""

    @property
    def no_offset(self) -> int:
        """The last state."""
        return self.values.shape[1] - 1

    def state(self, offset: int | None) -> int:
        return self.no_offset if offset is None else offset - self.lowest

    def offset(self, state: int) -> int | None:
        return None if state == self.no_offset else state + self.lowest

    def path(self, start: int, end: int | None = None) -> NDArray[np.int64]:
        """The best path through the lines from one state to another, or to any. Shape (n_lines,)."""
        prices = np.full(self.values.shape[1], _CHANGE_PENALTY + np.log(len(self.values)))
        prices[self.no_offset] = _NO_OFFSET_PENALTY
        return best_path(self.values, prices.tolist(), start, end)

    def separation(self, path: NDArray[np.int64]) -> float:
        """How well a line's translation is told from those around it, on average; 0 where the sides are unrelated or where no offset fits."""
        return float(np.take_along_axis(self.values, path[:, None], axis=1).mean())

    def changes(self, path: NDArray[np.int64], start: int) -> list[tuple[int, int, int]]:
        """For each change on the path its very line, the state before and the state after."""

        def n_skipped(before: int, after: int) -> int:
            # Where the target lost lines, their sources belong to no offset.
            return 0 if self.no_offset in (before, after) else max(0, before - after)

        return refine_changes(self.values, path, start, n_skipped)

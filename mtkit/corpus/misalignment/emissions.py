"""Emission scores of each offset at each line, and the best path through them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.viterbi import best_path, refine_changes

_CHANGE_PENALTY = 10.0
"""Penalty of a change of the offset in log odds; the logarithm of the number of lines is added.

The term accounts for the number of lines at which chance can produce a change. A line contributes
at most 8; in correct corpora of 20 to 40,000 lines, chance adds up to 3 to 10.
"""
_NO_OFFSET_PENALTY = 40.0
"""Penalty of a change to the state without an offset: passages translated freely, or full of words
that occur nowhere else, are not rare.
"""


class Emissions(NamedTuple):
    """Emission scores of each state at each line, in log odds.

    The last state means that no offset matches; every other state is an offset.
    """

    values: NDArray[np.float32]
    """Shape (n_lines, n_states)."""
    lowest: int
    """The offset of state 0."""

    @property
    def no_offset(self) -> int:
        """Index of the last state."""
        return self.values.shape[1] - 1

    def state(self, offset: int | None) -> int:
        return self.no_offset if offset is None else offset - self.lowest

    def offset(self, state: int) -> int | None:
        return None if state == self.no_offset else state + self.lowest

    def path(self, start: int, end: int | None = None) -> NDArray[np.int64]:
        """Return the best path from one state to another, or to any. Shape (n_lines,)."""
        penalties = np.full(self.values.shape[1], _CHANGE_PENALTY + np.log(len(self.values)))
        penalties[self.no_offset] = _NO_OFFSET_PENALTY
        return best_path(self.values, penalties.tolist(), start, end)

    def separation(self, path: NDArray[np.int64]) -> float:
        """Return how well translations are distinguished from the lines around them, on average.

        0 if the sides are unrelated or if no offset matches.
        """
        return float(np.take_along_axis(self.values, path[:, None], axis=1).mean())

    def changes(self, path: NDArray[np.int64], start: int) -> list[tuple[int, int, int]]:
        """Return first line, state before and state after of each change on the path."""

        def n_skipped(before: int, after: int) -> int:
            # If lines of the target are missing, their sources belong to neither offset.
            return 0 if self.no_offset in (before, after) else max(0, before - after)

        return refine_changes(self.values, path, start, n_skipped)

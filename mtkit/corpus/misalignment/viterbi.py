"""The best sequence of states along the lines of a corpus, if changes of state are rare."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCK_LINES = 4
_SEARCHED_LINES = 64


def best_path(
    emissions: NDArray[np.float32], penalties: Sequence[float], start: int, end: int | None = None
) -> NDArray[np.int64]:
    """Find the path with the best sum of emissions and penalties (Viterbi), four lines at a time.

    Args:
        emissions: Scores of each line and state. Shape (n_lines, n_states).
        penalties: Penalty of a change to each state.
        start: The state before the first line, at which it may change.
        end: The state after the last line; None for any.
    Returns:
        The state of each line; of equal paths, one with fewer changes. Shape (n_lines,).
    """
    n_lines, n_states = emissions.shape
    blocks = np.add.reduceat(
        emissions, np.arange(0, n_lines, _BLOCK_LINES), axis=0, dtype=np.float64
    )
    # Lists are faster than small arrays.
    values = [0.0 if state == start else -np.inf for state in range(n_states)]
    history = []
    for row in blocks.tolist():
        best = max(values)
        after_change = [best - penalty for penalty in penalties]
        is_change = [value < other for value, other in zip(values, after_change, strict=True)]
        history.append((values.index(best), is_change))
        values = [
            max(value, other) + emission
            for value, other, emission in zip(values, after_change, row, strict=True)
        ]
    state = values.index(max(values)) if end is None else end
    states = np.empty(len(blocks), dtype=np.int64)
    for block in range(len(blocks) - 1, -1, -1):
        states[block] = state
        best_before, is_change = history[block]
        if is_change[state]:
            state = best_before
    return np.repeat(states, _BLOCK_LINES)[:n_lines]


def refine_changes(
    emissions: NDArray[np.float32],
    path: NDArray[np.int64],
    start: int,
    n_skipped: Callable[[int, int], int],
) -> list[tuple[int, int, int]]:
    """Find the exact line of each change of a path that is accurate to a few dozen lines.

    Args:
        emissions: Scores as in `best_path`.
        path: Result of `best_path`.
        start: The state before the first line.
        n_skipped: Returns for two states how many lines before the change belong to neither.
    Returns:
        For each change, in order: first line of the new state, state before, state after.
    """
    rows = np.flatnonzero(np.diff(path, prepend=start)).tolist()
    changes = []
    for row, next_row in zip(rows, [*rows[1:], len(path)], strict=False):
        before, after = (int(path[row - 1]) if row else start), int(path[row])
        first = max(row - _SEARCHED_LINES, changes[-1][0] + 1 if changes else 0)
        last = min(row + _SEARCHED_LINES, next_row)
        sums = np.zeros((last - first + 1, emissions.shape[1]))
        np.cumsum(emissions[first:last], axis=0, dtype=np.float64, out=sums[1:])
        sum_before, sum_after = sums[:, before], sums[:, after]
        before_change = np.concatenate([np.zeros(n_skipped(before, after)), sum_before])
        totals = before_change[: len(sum_before)] + sum_after[-1] - sum_after
        changes.append((first + int(np.argmax(totals)), before, after))
    return changes

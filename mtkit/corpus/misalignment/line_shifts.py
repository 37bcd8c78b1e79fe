"""Find lines from which on two aligned files are shifted, so that line N translates line N + 1.

No knowledge of the languages is needed. Cooccurring words, equal names and numbers, and lengths
determine the odds that one line translates another (`cooccurrence.py`, `match_classifier.py`). The
best path through the offsets, with a penalty for each change, shows the shifts (`viterbi.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.emissions import Emissions
from mtkit.corpus.misalignment.offset_model import MAX_STEP, OffsetModel
from mtkit.corpus.misalignment.word_hashes import HashedWords, concatenate_words, hash_words

PairReader = Callable[[], Iterable[tuple[str, str]]]
"""A function that reads the pairs of a corpus from the start at each call."""

BLOCK_LINES = 1024
MAX_BLOCKS = 256
"""Largest number of blocks; of more, every second, fourth, ... is used."""
SCREENING_BLOCK_LINES, MAX_SCREENING_BLOCKS = 256, 16
"""The same for `screen_for_shifts`."""

_PATH_TOLERANCE = 64
"""Tolerance of the path in lines."""
_CONFIDENCE_LINES = 100
_MIN_SEPARATION = 0.1
"""Threshold of `Emissions.separation`: at most 1.95; 0.4 for 1,000 lines of a very free
translation; about 0 for unrelated sides.
"""


class Shift(NamedTuple):
    """A line from which on the files are shifted by another offset.

    At an offset of k, line N of the source is translated by line N + k of the target. A change from
    0 to +2 means that the source lost two lines or the target gained two; to -2, that the target
    lost two, whose sources are directly above `line`. None means that no offset within reach
    matches: the lines that follow are not translations of each other.
    """

    line: int
    """The first line of the source, from 1, at which `offset_after` applies; accurate to a few
    lines.
    """
    offset_before: int | None
    offset_after: int | None
    confidence: float
    """Share of up to 100 lines on each side of the change that match their own side's offset better
    than the other; from 0 to 1.
    """

    def describe(self) -> str:
        """Describe the shift in words."""
        if self.offset_after is None:
            return f"from line {self.line:,} on, the sides do not translate each other line by line"
        if self.offset_after == 0:
            return f"from line {self.line:,} on, line N corresponds to line N again"
        sign = "+" if self.offset_after > 0 else "-"
        return (
            f"from line {self.line:,} on, line N of the source corresponds to line N "
            f"{sign} {abs(self.offset_after)} of the target"
        )


def find_shifts(read_pairs: PairReader) -> list[Shift]:
    """Find shifts between the sides of a corpus of any size, in bounded memory.

    Shifts by one to three lines are found. Greater ones, or several that add up, are found up to 30
    lines if most of the corpus is within three. A shift that is reverted must last for about ten
    lines to be found, one that lasts to the end for about four; more if lines are short or
    translated freely. In a corpus of a few dozen lines, only lengths, numbers and names can reveal
    a shift. If no line of 1,000 or more suitable lines matches those near it, one shift to None is
    reported.

    Of more than 262,144 pairs, only every second, fourth, ... block of 1,024 lines is used, so that
    128 to 256 blocks remain, and the last one. If the offset changes between two of them, a second
    pass finds the line. A shift that begins and ends between two blocks is missed.

    Args:
        read_pairs: Called once or twice; must return the same pairs each time.
    Returns:
        The shifts in the order of the lines; none for a correct corpus.
    """
    blocks, stride = _sample_blocks(iter(read_pairs()), BLOCK_LINES, MAX_BLOCKS)
    if not blocks:
        return []
    fit = _fit(blocks)
    if not fit.is_related:
        return [Shift(1, 0, None, 1.0)] if fit.model.is_conclusive else []
    if stride == 1:
        return _shifts(fit.emissions, fit.path, start=0)
    ranges = _ranges_with_changes(fit)
    return [
        shift
        for line_range, src, tgt in _read_ranges(iter(read_pairs()), ranges)
        for shift in _locate_shifts(fit.model, line_range, src, tgt)
    ]


def screen_for_shifts(read_pairs: PairReader) -> list[Shift]:
    """Do the same as `find_shifts`, but only if a smaller sample of the corpus is suspicious.

    Of more than 4,096 pairs, 8 to 16 blocks of 256 lines and the last one are used, which takes
    about half a second. A shift that begins and ends between two of them is missed; one that lasts
    to the end is not.

    Args:
        read_pairs: Called up to three times; must return the same pairs each time. The first call
            reads all of them.
    """
    blocks, _ = _sample_blocks(iter(read_pairs()), SCREENING_BLOCK_LINES, MAX_SCREENING_BLOCKS)
    if not blocks:
        return []
    fit = _fit(blocks)
    is_correct = not fit.changes.size if fit.is_related else not fit.model.is_conclusive
    return [] if is_correct else find_shifts(read_pairs)


class _Block(NamedTuple):
    first: int
    src: HashedWords
    tgt: HashedWords


class _Fit(NamedTuple):
    """An offset model fitted to the lines of some blocks."""

    numbers: NDArray[np.int64]
    """Numbers of the lines in the corpus, from 0. Shape (n_lines,)."""
    model: OffsetModel
    emissions: Emissions
    path: NDArray[np.int64]
    """State of each line. Shape (n_lines,)."""

    @property
    def is_related(self) -> bool:
        """Whether translations are distinguishable from the lines around them."""
        return self.emissions.separation(self.path) >= _MIN_SEPARATION

    @property
    def changes(self) -> NDArray[np.int64]:
        """Rows at which the state changes."""
        return np.flatnonzero(np.diff(self.path, prepend=self.emissions.state(0)))


class _LineRange(NamedTuple):
    """Lines of the corpus, from 0 and without `end`, and the offsets before and after them."""

    first: int
    end: int
    before: int | None
    after: int | None


def _sample_blocks(
    pairs: Iterator[tuple[str, str]], n_lines: int, max_blocks: int
) -> tuple[list[_Block], int]:
    """Return all blocks, or every second, fourth, ... one and the last; and the stride."""
    blocks: list[_Block] = []
    stride = 1
    number, last = 0, []
    for number, last in enumerate(iter(lambda: list(islice(pairs, n_lines)), [])):
        if len(blocks) == max_blocks and number % stride == 0:
            blocks = blocks[::2]
            stride *= 2
        if number % stride == 0:
            blocks.append(_Block(number * n_lines, *_hash_sides(last)))
    if number % stride:
        blocks.append(_Block(number * n_lines, *_hash_sides(last)))
    return blocks, stride


def _fit(blocks: Sequence[_Block]) -> _Fit:
    numbers = np.concatenate(
        [np.arange(block.first, block.first + len(block.src.log_lengths)) for block in blocks]
    )
    src = concatenate_words([block.src for block in blocks])
    tgt = concatenate_words([block.tgt for block in blocks])
    fit = _Fit(numbers, *OffsetModel.train(src, tgt, numbers, trusting=True))
    if fit.is_related:
        return fit
    return _Fit(numbers, *OffsetModel.train(src, tgt, numbers, trusting=False))


def _hash_sides(pairs: Sequence[tuple[str, str]]) -> tuple[HashedWords, HashedWords]:
    return hash_words([src for src, _ in pairs]), hash_words([tgt for _, tgt in pairs])


def _shifts(
    emissions: Emissions, path: NDArray[np.int64], start: int | None, first: int = 0
) -> list[Shift]:
    """Return the shifts on a path through consecutive lines that begin at line `first`, from 0."""
    changes = emissions.changes(path, emissions.state(start))
    bounds = [0, *(row for row, _, _ in changes), len(path)]
    shifts = []
    for n, (row, before, after) in enumerate(changes):
        above = emissions.values[max(bounds[n], row - _CONFIDENCE_LINES) : row]
        below = emissions.values[row : min(bounds[n + 2], row + _CONFIDENCE_LINES)]
        agrees = np.concatenate(
            [above[:, before] > above[:, after], below[:, after] > below[:, before]]
        )
        shifts.append(
            Shift(
                first + row + 1,
                emissions.offset(before),
                emissions.offset(after),
                float(np.mean(agrees)),
            )
        )
    return shifts


def _ranges_with_changes(fit: _Fit) -> list[_LineRange]:
    """Return the ranges to examine: the blocks around each change, and the lines between them."""
    numbers, _, emissions, path = fit
    ranges: list[_LineRange] = []
    for row in fit.changes.tolist():
        first = max(0, row - _PATH_TOLERANCE) // BLOCK_LINES * BLOCK_LINES
        last = min(len(path), ((row + _PATH_TOLERANCE) // BLOCK_LINES + 1) * BLOCK_LINES) - 1
        before = emissions.offset(int(path[first - 1])) if first else 0
        line_range = _LineRange(
            int(numbers[first]), int(numbers[last]) + 1, before, emissions.offset(int(path[last]))
        )
        if ranges and line_range.first < ranges[-1].end:
            line_range = line_range._replace(first=ranges[-1].first, before=ranges.pop().before)
        ranges.append(line_range)
    return ranges


def _read_ranges(
    pairs: Iterator[tuple[str, str]], ranges: Sequence[_LineRange]
) -> Iterator[tuple[_LineRange, HashedWords, HashedWords]]:
    n_read = 0
    for line_range in ranges:
        # Skip the lines between two ranges.
        next(islice(pairs, line_range.first - n_read, line_range.first - n_read), None)
        n_read = line_range.end
        sides = [
            _hash_sides(list(islice(pairs, min(BLOCK_LINES, line_range.end - first))))
            for first in range(line_range.first, line_range.end, BLOCK_LINES)
        ]
        yield (
            line_range,
            concatenate_words([src for src, _ in sides]),
            concatenate_words([tgt for _, tgt in sides]),
        )


def _locate_shifts(
    model: OffsetModel, line_range: _LineRange, src: HashedWords, tgt: HashedWords
) -> list[Shift]:
    offsets = [
        offset for offset in (line_range.before, line_range.after) if offset is not None
    ] or [0]
    emissions = model.emissions(src, tgt, min(offsets) - MAX_STEP, max(offsets) + MAX_STEP)
    path = emissions.path(emissions.state(line_range.before), emissions.state(line_range.after))
    return _shifts(emissions, path, line_range.before, line_range.first)

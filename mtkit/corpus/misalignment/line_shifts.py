"""Find where two aligned files slip against each other: from some line on, line N of one translates line N + 1 of the other.

Nothing is asked of the languages. Words that meet in paired lines, equal names and numbers, and lengths give the odds that a line translates
another (`offsets/lexicon.py`, `offsets/odds.py`); the best path through the offsets, on which every change has its price, shows the slips
(`offsets/path.py`).
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
"""Reads the pairs of a corpus from the first on, anew at each call."""

BLOCK_LINES = 1024
MAX_BLOCKS = 256
"""A corpus of more blocks than this is looked at in every second, every fourth, ... block."""
SCREENING_BLOCK_LINES, MAX_SCREENING_BLOCKS = 256, 16
"""The same for `screen_for_shifts`."""

_PATH_TOLERANCE = 64
"""The path of offsets is right to some dozen lines."""
_CONFIDENCE_LINES = 100
_MIN_SEPARATION = 0.1
"""As `Evidence.separation` measures it: at best 1.95; 0.4 for 1,000 lines of the freest translation; about 0 for sides that are unrelated."""


class Shift(NamedTuple):
    """A place where the files slip against each other.

    An offset of k says that line N of the source is translated by line N + k of the target. So +2 after 0 means that the source lost two lines, or
    that the target gained two; -2, that the target lost two, and their sources stand right above `line`. None says that no offset within reach
    fits: what follows is not translated line by line.
    """

    line: int
    """The first line of the source, counted from 1, for which `offset_after` holds; right to within a few lines."""
    offset_before: int | None
    offset_after: int | None
    confidence: float
    """The share of lines near the place, up to 100 on each side, that look more like the offset of their side than like the other; from 0 to 1."""

    def describe(self) -> str:
        """Say in words what holds from that line on."""
        if self.offset_after is None:
            return f"from line {self.line:,} on, the sides do not translate each other line by line"
        if self.offset_after == 0:
            return f"from line {self.line:,} on, line N goes with line N again"
        sign = "+" if self.offset_after > 0 else "-"
        return f"from line {self.line:,} on, line N of the source goes with line N {sign} {abs(self.offset_after)} of the target"


def find_shifts(passes: PairReader) -> list[Shift]:
    """Find where the sides of a corpus of any size slip against each other, in bounded memory.

    Found are slips by one to three lines, and greater ones, or several that add up, to 30 lines if most of the corpus is not off by more than
    three. A shift that is taken back must hold for some ten lines to be seen, one that stays until the end for some four, more where lines are
    short or translated freely. In a corpus of a few dozen lines only lengths, numbers and names can show a slip. If no line from the first on
    fits with those near it, in 1,000 lines or more that should tell, that is reported as one shift to None.

    Of more than 262,144 pairs, only blocks of 1,024 lines are looked at: every second one, or fourth, and so on, so that 128 to 256 of them remain,
    and the last. If the offset changed between two of them, a second pass finds the line. A shift that begins and ends between two is missed.

    Args:
        passes: Called once or twice; must give the same pairs each time.
    Returns:
        The slips in the order of the lines; none for a sound corpus.
    """
    blocks, stride = _sample_blocks(iter(passes()), BLOCK_LINES, MAX_BLOCKS)
    if not blocks:
        return []
    fitted = _fit(blocks)
    if not fitted.is_related:
        return [Shift(1, 0, None, 1.0)] if fitted.model.is_conclusive else []
    if stride == 1:
        return _shifts(fitted.emissions, fitted.path, start=0)
    stretches = _ranges_with_changes(fitted)
    return [
        shift
        for stretch, src, tgt in _read_ranges(iter(passes()), stretches)
        for shift in _locate_shifts(fitted.model, stretch, src, tgt)
    ]


def screen_for_shifts(passes: PairReader) -> list[Shift]:
    """Do what `find_shifts` does, but only if a smaller sample of the corpus gives cause.

    Of more than 4,096 pairs, 8 to 16 blocks of 256 lines and the last are looked at, which takes about half a second. A shift that begins and ends
    between two of them is missed; one that stays until the end is not.

    Args:
        passes: Called up to three times; must give the same pairs each time. The first call reads them to the end.
    """
    blocks, _ = _sample_blocks(iter(passes()), SCREENING_BLOCK_LINES, MAX_SCREENING_BLOCKS)
    if not blocks:
        return []
    fitted = _fit(blocks)
    is_sound = not fitted.changes.size if fitted.is_related else not fitted.model.is_conclusive
    return [] if is_sound else find_shifts(passes)


class _Block(NamedTuple):
    first: int
    src: HashedWords
    tgt: HashedWords


class _Fit(NamedTuple):
    """What the lines of some blocks say."""

    numbers: NDArray[np.int64]
    """Numbers of the lines in the corpus, counted from 0. Shape (n_lines,)."""
    model: OffsetModel
    emissions: Emissions
    path: NDArray[np.int64]
    """State of each line. Shape (n_lines,)."""

    @property
    def is_related(self) -> bool:
        """Whether translations distinguish lines from those around them."""
        return self.emissions.separation(self.path) >= _MIN_SEPARATION

    @property
    def changes(self) -> NDArray[np.int64]:
        """Rows at which the state changes."""
        return np.flatnonzero(np.diff(self.path, prepend=self.emissions.state(0)))


class _LineRange(NamedTuple):
    """Lines of the corpus, counted from 0 and without `end`, and the offsets before and after them."""

    first: int
    end: int
    before: int | None
    after: int | None


def _sample_blocks(
    pairs: Iterator[tuple[str, str]], n_lines: int, max_blocks: int
) -> tuple[list[_Block], int]:
    """All blocks of n_lines, or every second, fourth, ... one and the last if there are too many; and every which."""
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
    src, tgt = (
        concatenate_words([block.src for block in blocks]),
        concatenate_words([block.tgt for block in blocks]),
    )
    fitted = _Fit(numbers, *OffsetModel.train(src, tgt, numbers, trusting=True))
    return (
        fitted
        if fitted.is_related
        else _Fit(numbers, *OffsetModel.train(src, tgt, numbers, trusting=False))
    )


def _hash_sides(pairs: Sequence[tuple[str, str]]) -> tuple[HashedWords, HashedWords]:
    return hash_words([src for src, _ in pairs]), hash_words([tgt for _, tgt in pairs])


def _shifts(
    evidence: Emissions, path: NDArray[np.int64], start: int | None, first: int = 0
) -> list[Shift]:
    """The slips on a path through consecutive lines, the first of which is line `first` counted from 0."""
    changes = evidence.changes(path, evidence.state(start))
    bounds = [0, *(row for row, _, _ in changes), len(path)]
    shifts = []
    for n, (row, before, after) in enumerate(changes):
        above = evidence.values[max(bounds[n], row - _CONFIDENCE_LINES) : row]
        below = evidence.values[row : min(bounds[n + 2], row + _CONFIDENCE_LINES)]
        agreeing = np.concatenate(
            [above[:, before] > above[:, after], below[:, after] > below[:, before]]
        )
        shifts.append(
            Shift(
                first + row + 1,
                evidence.offset(before),
                evidence.offset(after),
                float(np.mean(agreeing)),
            )
        )
    return shifts


def _ranges_with_changes(fitted: _Fit) -> list[_LineRange]:
    """Where to look closely: the blocks around each change, and what lies between them."""
    numbers, _, evidence, path = fitted
    stretches: list[_LineRange] = []
    for row in fitted.changes.tolist():
        first = max(0, row - _PATH_TOLERANCE) // BLOCK_LINES * BLOCK_LINES
        last = min(len(path), ((row + _PATH_TOLERANCE) // BLOCK_LINES + 1) * BLOCK_LINES) - 1
        before = evidence.offset(int(path[first - 1])) if first else 0
        stretch = _LineRange(
            int(numbers[first]), int(numbers[last]) + 1, before, evidence.offset(int(path[last]))
        )
        if stretches and stretch.first < stretches[-1].end:
            stretch = stretch._replace(first=stretches[-1].first, before=stretches.pop().before)
        stretches.append(stretch)
    return stretches


def _read_ranges(
    pairs: Iterator[tuple[str, str]], stretches: Sequence[_LineRange]
) -> Iterator[tuple[_LineRange, HashedWords, HashedWords]]:
    n_read = 0
    for stretch in stretches:
        # Lines between the stretches.
        next(islice(pairs, stretch.first - n_read, stretch.first - n_read), None)
        n_read = stretch.end
        sides = [
            _hash_sides(list(islice(pairs, min(BLOCK_LINES, stretch.end - first))))
            for first in range(stretch.first, stretch.end, BLOCK_LINES)
        ]
        yield (
            stretch,
            concatenate_words([src for src, _ in sides]),
            concatenate_words([tgt for _, tgt in sides]),
        )


def _locate_shifts(
    model: OffsetModel, stretch: _LineRange, src: HashedWords, tgt: HashedWords
) -> list[Shift]:
    offsets = [offset for offset in (stretch.before, stretch.after) if offset is not None] or [0]
    evidence = model.emissions(src, tgt, min(offsets) - MAX_STEP, max(offsets) + MAX_STEP)
    path = evidence.path(evidence.state(stretch.before), evidence.state(stretch.after))
    return _shifts(evidence, path, stretch.before, stretch.first)

"""Learn from a corpus, wherever it is shifted, what its translations look like, and find the offset at each of its lines."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.misalignment.cooccurrence import CooccurrenceTable, InformativeWords
from mtkit.corpus.misalignment.emissions import Emissions
from mtkit.corpus.misalignment.match_classifier import (
    PairFeatures,
    fit_classifier,
    prior_classifier,
)
from mtkit.corpus.misalignment.word_hashes import HashedWords

MAX_STEP = 3
"""Lines by which one slip may move the files against each other, to be found wherever it is."""
MAX_OFFSET = 30
"""How far slips that add up are followed, and greater ones, as long as most of the corpus is not beyond `MAX_STEP`."""

_STEPS = np.arange(-MAX_STEP, MAX_STEP + 1)
_COUNTED_LINES = 1 << 16
_COUNTED_BLOCK = 1024
_FITTED_LINES = 20_000
_TRIED_LINES = 256
_MAX_ROUNDS = 6
_MAX_MOVED = 20
"""Lines with another offset than in the round before that do not call for a further one."""
_MIN_CONCLUSIVE_LINES = 1000
_MIN_CONCLUSIVE_WORDS = 4
"""Words of a line, on average, that occur in other lines too."""

Indices = NDArray[np.int64]


class AlignedLines(NamedTuple):
    """Lines of a corpus, perhaps not all."""

    numbers: Indices
    """Counted from 0, ascending. Shape (n_lines,)."""
    src: InformativeWords
    tgt: InformativeWords


class OffsetModel:
    """Says what speaks for each offset at each line."""

    def __init__(self, lexicon: CooccurrenceTable) -> None:
        self._cooccurrence = lexicon
        self._classifier = prior_classifier()
        self.is_conclusive = False
        """Whether the lines are so many and have so much in common that translations among them would have been noticed."""

    @classmethod
    def train(
        cls, src: HashedWords, tgt: HashedWords, numbers: Indices, *, trusting: bool
    ) -> "tuple[OffsetModel, Emissions, Indices]":
        """Learn from the lines of a corpus, of which most translate a line of the other side that is few steps away.

        First every line is counted with its seven nearest, so that it does not matter where and by how much the sides are shifted; then along
        the best path through the offsets, until the path stays.

        Args:
            src: The words of the source's lines.
            tgt: Of the target's lines.
            numbers: Which lines of the corpus these are, counted from 0, ascending. Shape (n_lines,).
            trusting: Begin with all lines, however little they look like translations, as is right for free ones; or only with those that do, as is
                right where most lines are farther off than `MAX_STEP`.
        Returns:
            The model, what it says of these lines, and the best path: the state of each line, as in `Evidence`.
        """
        model = cls(CooccurrenceTable(src, tgt))
        lines = model._lines(src, tgt, numbers)
        model.is_conclusive = all(_is_conclusive(side) for side in (lines.src, lines.tgt))
        evidence = model._initial_emissions(lines)
        if trusting:
            evidence.values[:, evidence.no_offset] = -np.inf
        path = evidence.path(evidence.state(0))
        for _ in range(_MAX_ROUNDS):
            is_known = path != evidence.no_offset
            if not is_known.any():
                break
            base = model._base_offsets(lines, evidence, path)
            evidence = model._refit(lines, base, is_known)
            path = evidence.path(evidence.state(0))
            n_moved = np.count_nonzero(
                ((path != evidence.no_offset) != is_known)
                | (is_known & (path + evidence.lowest != base))
            )
            if n_moved <= min(_MAX_MOVED, len(numbers) // 100):
                break
        return model, evidence, path

    def emissions(self, src: HashedWords, tgt: HashedWords, lowest: int, highest: int) -> Emissions:
        """What speaks for the offsets from `lowest` to `highest`, for consecutive lines on which the model was perhaps trained."""
        lines = self._lines(src, tgt, np.arange(len(src.log_lengths)))
        reach = (highest - lowest + 1) // 2
        base = np.full(len(lines.numbers), lowest + reach)
        # To doubt every pair alike is fair to all offsets.
        features = self._features(lines, lines.numbers, base, np.ones((len(base), 2 * reach + 1)))
        return _emissions(self._classifier.log_odds(features), base)

    def _lines(self, src: HashedWords, tgt: HashedWords, numbers: Indices) -> AlignedLines:
        return AlignedLines(
            numbers,
            self._cooccurrence.select_words(src, is_tgt=False),
            self._cooccurrence.select_words(tgt, is_tgt=True),
        )

    def _initial_emissions(self, lines: AlignedLines) -> Emissions:
        n_lines = len(lines.numbers)
        base = np.zeros(n_lines, dtype=np.int64)
        # Of many lines a part, or chance meetings would fill the table. Offset 0 thrice, since where questions and answers take turns, the seven
        # nearest hold more pairs of a question and an answer than of two questions.
        is_counted = np.arange(n_lines) // _COUNTED_BLOCK % -(-n_lines // _COUNTED_LINES) == 0
        for step in (*_STEPS, 0, 0):
            self._add_pairs(lines, np.flatnonzero(is_counted), base + step)
        features = self._features(
            lines, np.arange(n_lines), base, is_counted[:, None] * np.where(_STEPS == 0, 3, 1)
        )
        self._classifier = prior_classifier(
            float(np.median(features.length_difference[features.exists]))
        )
        return _emissions(self._classifier.log_odds(features), base)

    def _base_offsets(self, lines: AlignedLines, evidence: Emissions, path: Indices) -> Indices:
        """The offset at each line, where none fitted one that is worth trying."""
        base = np.clip(path + evidence.lowest, -MAX_OFFSET, MAX_OFFSET)
        is_lost = path == evidence.no_offset
        for first in np.flatnonzero(np.diff(is_lost, prepend=False) & is_lost):
            end = first + int(np.argmin(np.append(is_lost[first:], False)))
            rows = np.arange(first, min(first + _TRIED_LINES, end))
            features = self._features(
                lines, rows, np.zeros_like(rows), np.zeros((len(rows), 2 * MAX_OFFSET + 1))
            )
            base[first:end] = (
                int(np.argmax(self._classifier.log_odds(features).sum(axis=0))) - MAX_OFFSET
            )
        return base

    def _refit(self, lines: AlignedLines, base: Indices, is_known: NDArray[np.bool_]) -> Emissions:
        """Count anew at these offsets, and fit the odds to tell the lines there from those around them."""
        self._cooccurrence.reset()
        self._add_pairs(lines, np.flatnonzero(is_known), base)
        features = self._features(
            lines, np.arange(len(base)), base, is_known[:, None] & (_STEPS == 0)
        )
        rows = np.flatnonzero(is_known)
        rows = rows[:: max(1, len(rows) // _FITTED_LINES)]
        self._classifier = fit_classifier(
            features.at((rows, MAX_STEP)), features.at((rows[:, None], np.flatnonzero(_STEPS)))
        )
        return _emissions(self._classifier.log_odds(features), base)

    def _add_pairs(self, lines: AlignedLines, rows: Indices, base: Indices) -> None:
        partners, exist = _lines_at_offset(lines.numbers, rows, base[rows])
        self._cooccurrence.add_pairs(lines.src, lines.tgt, rows[exist], partners[exist])

    def _features(
        self, lines: AlignedLines, rows: Indices, base: Indices, n_counted: NDArray
    ) -> PairFeatures:
        """How lines look with those around their offset.

        Args:
            lines: All lines.
            rows: Which of them. Shape (n,).
            base: The offset of each. Shape (n,).
            n_counted: How often each was counted with each. Shape (n, 2 * reach + 1).
        Returns:
            Shape (n, 2 * reach + 1).
        """
        shape = n_counted.shape
        features = PairFeatures(
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.bool_),
        )
        for column in range(shape[1]):
            partners, exist = _lines_at_offset(lines.numbers, rows, base + column - shape[1] // 2)
            i, j = rows[exist], partners[exist]
            features.association[exist, column] = self._cooccurrence.association(
                lines.src, lines.tgt, i, j, n_counted[exist, column]
            )
            features.n_words[exist, column] = lines.src.n_words[i] + lines.tgt.n_words[j]
            features.length_difference[exist, column] = (
                lines.tgt.log_lengths[j] - lines.src.log_lengths[i]
            )
            features.exists[exist, column] = True
        return features


def _lines_at_offset(
    numbers: Indices, rows: Indices, offsets: Indices
) -> tuple[Indices, NDArray[np.bool_]]:
    """The line at its offset for each of some lines, and whether it is among these lines."""
    partners = np.clip(rows + offsets, 0, len(numbers) - 1)
    return partners, numbers[partners] == numbers[rows] + offsets


def _is_conclusive(side: InformativeWords) -> bool:
    n_lines = len(side.n_words)
    n_different = len(np.unique(side.hashes.sum(axis=1, dtype=np.uint64)))
    return (
        n_lines >= _MIN_CONCLUSIVE_LINES
        and n_different > n_lines / 2
        and bool(side.n_words.mean() >= _MIN_CONCLUSIVE_WORDS)
    )


def _emissions(compared: NDArray[np.float32], base: Indices) -> Emissions:
    n_columns = compared.shape[1]
    first = base - n_columns // 2
    # Offset 0, where every path starts, is always among them.
    lowest, highest = min(0, int(first.min())), max(0, int(first.max()) + n_columns - 1)
    # An offset out of reach is as good as one within reach usually is; the last state stands for none.
    values = np.repeat(compared.mean(axis=1, keepdims=True), highest - lowest + 2, axis=1)
    np.put_along_axis(values, (first - lowest)[:, None] + np.arange(n_columns), compared, axis=1)
    values[:, -1] = 0
    return Emissions(values, lowest)

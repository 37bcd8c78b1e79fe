"""Learn from a corpus, shifted or not, to recognize translations, and find each line's offset."""

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
"""Maximum shift in lines that is found anywhere."""
MAX_OFFSET = 30
"""Maximum offset that is followed, for shifts that add up and for greater ones, if most of the
corpus is within `MAX_STEP`.
"""

_STEPS = np.arange(-MAX_STEP, MAX_STEP + 1)
_COUNTED_LINES = 1 << 16
_COUNTED_BLOCK = 1024
_FITTED_LINES = 20_000
_TRIED_LINES = 256
_MAX_ROUNDS = 6
_MAX_MOVED = 20
"""Training stops when at most this many lines change their offset in a round."""
_MIN_CONCLUSIVE_LINES = 1000
_MIN_CONCLUSIVE_WORDS = 4
"""Mean number of words per line that also occur in other lines."""

Indices = NDArray[np.int64]


class AlignedLines(NamedTuple):
    """Lines of a corpus, not necessarily all."""

    numbers: Indices
    """Line numbers from 0, ascending. Shape (n_lines,)."""
    src: InformativeWords
    tgt: InformativeWords


class OffsetModel:
    """Scores each offset at each line."""

    def __init__(self, cooccurrence: CooccurrenceTable) -> None:
        self._cooccurrence = cooccurrence
        self._classifier = prior_classifier()
        self.is_conclusive = False
        """Whether there are enough lines, with enough in common, that translations would be
        found.
        """

    @classmethod
    def train(
        cls, src: HashedWords, tgt: HashedWords, numbers: Indices, *, trusting: bool
    ) -> "tuple[OffsetModel, Emissions, Indices]":
        """Learn from lines of a corpus, most of which translate a line that is a few steps away.

        In the first round, every line is counted with its seven nearest, so that position and size
        of a shift do not matter; then along the best path through the offsets, until it does not
        change.

        Args:
            src: The words of the source's lines.
            tgt: The words of the target's lines.
            numbers: Numbers of these lines in the corpus, from 0, ascending. Shape (n_lines,).
            trusting: Whether to begin with all lines, however unlike translations, as is right for
                free translations; or only with likely ones, as is right if most offsets exceed
                `MAX_STEP`.
        Returns:
            The model, its emissions for these lines, and the best path: the state of each line.
        """
        model = cls(CooccurrenceTable(src, tgt))
        lines = model._lines(src, tgt, numbers)
        model.is_conclusive = all(_is_conclusive(side) for side in (lines.src, lines.tgt))
        emissions = model._initial_emissions(lines)
        if trusting:
            emissions.values[:, emissions.no_offset] = -np.inf
        path = emissions.path(emissions.state(0))
        for _ in range(_MAX_ROUNDS):
            is_known = path != emissions.no_offset
            if not is_known.any():
                break
            base = model._base_offsets(lines, emissions, path)
            emissions = model._refit(lines, base, is_known)
            path = emissions.path(emissions.state(0))
            n_moved = np.count_nonzero(
                ((path != emissions.no_offset) != is_known)
                | (is_known & (path + emissions.lowest != base))
            )
            if n_moved <= min(_MAX_MOVED, len(numbers) // 100):
                break
        return model, emissions, path

    def emissions(self, src: HashedWords, tgt: HashedWords, lowest: int, highest: int) -> Emissions:
        """Score the offsets from `lowest` to `highest` for consecutive lines."""
        lines = self._lines(src, tgt, np.arange(len(src.log_lengths)))
        reach = (highest - lowest + 1) // 2
        base = np.full(len(lines.numbers), lowest + reach)
        # Whether a line was trained on is ignored for all offsets alike.
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
        # Only part of a large corpus is counted, or chance pairs would fill the table. Offset 0
        # counts three times: where questions and answers alternate, the seven nearest lines contain
        # more pairs of a question and an answer than of two questions.
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

    def _base_offsets(self, lines: AlignedLines, emissions: Emissions, path: Indices) -> Indices:
        """Return the offset of each line; where no offset matched, one that is worth trying."""
        base = np.clip(path + emissions.lowest, -MAX_OFFSET, MAX_OFFSET)
        has_no_offset = path == emissions.no_offset
        for first in np.flatnonzero(np.diff(has_no_offset, prepend=False) & has_no_offset):
            end = first + int(np.argmin(np.append(has_no_offset[first:], False)))
            rows = np.arange(first, min(first + _TRIED_LINES, end))
            features = self._features(
                lines, rows, np.zeros_like(rows), np.zeros((len(rows), 2 * MAX_OFFSET + 1))
            )
            base[first:end] = (
                int(np.argmax(self._classifier.log_odds(features).sum(axis=0))) - MAX_OFFSET
            )
        return base

    def _refit(self, lines: AlignedLines, base: Indices, is_known: NDArray[np.bool_]) -> Emissions:
        """Count again at these offsets, and fit the classifier to the lines at and around them."""
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
        """Return the features of lines paired with those around their offset.

        Args:
            lines: All lines.
            rows: Some of them. Shape (n,).
            base: The offset of each. Shape (n,).
            n_counted: How often each pair was counted. Shape (n, 2 * reach + 1).
        Returns:
            Shape (n, 2 * reach + 1).
        """
        shape = n_counted.shape
        numbers = (np.zeros(shape, np.float32) for _ in range(3))
        features = PairFeatures(*numbers, exists=np.zeros(shape, np.bool_))
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
    """Return the line at an offset for each row, and whether it is one of these lines."""
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


def _emissions(log_odds: NDArray[np.float32], base: Indices) -> Emissions:
    n_columns = log_odds.shape[1]
    first = base - n_columns // 2
    # Offset 0, where every path starts, is always a state.
    lowest, highest = min(0, int(first.min())), max(0, int(first.max()) + n_columns - 1)
    # An offset out of reach gets the mean score of those within reach; the last state is no offset.
    values = np.repeat(log_odds.mean(axis=1, keepdims=True), highest - lowest + 2, axis=1)
    np.put_along_axis(values, (first - lowest)[:, None] + np.arange(n_columns), log_odds, axis=1)
    values[:, -1] = 0
    return Emissions(values, lowest)

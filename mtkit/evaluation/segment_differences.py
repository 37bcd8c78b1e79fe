"""Segments in which two systems differ most, with the words that differ."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from mtkit.evaluation.comparison import Comparison, SystemResult


class SegmentDifference(NamedTuple):
    """A segment, and its score for two systems."""

    line: int
    """Line number, from 1."""
    first_score: float
    second_score: float
    first: str
    """Translation by the first system; words that the second does not have are in `[-...-]`."""
    second: str
    """Translation by the second system; words that the first does not have are in `{+...+}`."""


def segment_scores(comparison: Comparison, result: SystemResult, metric: str) -> list[float]:
    """Return the score of each segment in one metric; with several runs, of the first run."""
    score = comparison.metrics[metric].segment_score
    return [float(score(row)) for row in result.rows[metric][0].tolist()]


def largest_differences(
    comparison: Comparison, first: SystemResult, second: SystemResult, n: int
) -> list[SegmentDifference]:
    """Return the n segments whose scores in the first metric differ most, largest first.

    Segments with equal scores are left out.
    """
    metric = next(iter(comparison.metrics))
    first_scores, second_scores = (
        segment_scores(comparison, result, metric) for result in (first, second)
    )
    sizes = [abs(a - b) for a, b in zip(first_scores, second_scores, strict=True)]
    order = sorted(range(len(sizes)), key=lambda index: -sizes[index])
    return [
        SegmentDifference(
            index + 1,
            first_scores[index],
            second_scores[index],
            *word_diff(first.system.runs[0][index], second.system.runs[0][index]),
        )
        for index in order[:n]
        if sizes[index]
    ]


def word_diff(first: str, second: str) -> tuple[str, str]:
    """Mark the words that only one of two texts has.

    ```
    the [-cat-] sat
    the {+dog+} sat {+down+}
    ```
    """
    first_words, second_words = first.split(), second.split()
    marked: tuple[list[str], list[str]] = ([], [])
    for kind, a, b, c, d in SequenceMatcher(
        None, first_words, second_words, autojunk=False
    ).get_opcodes():
        for out, words, start, end in (
            (marked[0], first_words[a:b], "[-", "-]"),
            (marked[1], second_words[c:d], "{+", "+}"),
        ):
            if words:
                text = " ".join(words)
                out.append(text if kind == "equal" else f"{start}{text}{end}")
    return " ".join(marked[0]), " ".join(marked[1])


def segment_table(comparison: Comparison) -> list[str]:
    """Return a table of the scores of all segments, as lines with TABs and a header."""
    has_several = len(comparison.systems) > 1
    columns = {
        f"{result.system.name}:{key}" if has_several else key: segment_scores(
            comparison, result, key
        )
        for result in comparison.systems
        for key in comparison.metrics
    }
    rows: Sequence[tuple[float, ...]] = list(zip(*columns.values(), strict=True))
    return [
        "\t".join(["line", *columns]),
        *(
            "\t".join([str(number), *(f"{value:.4f}" for value in row)])
            for number, row in enumerate(rows, 1)
        ),
    ]

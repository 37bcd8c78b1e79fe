"""Scores of parts of a test set: by length, by a label, and of words by their frequency."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

import numpy as np

from mtkit.evaluation.comparison import Comparison, System
from mtkit.evaluation.words import has_spaces, split_words

N_LENGTH_BUCKETS = 4
_FREQUENCY_BOUNDS = (1, 2, 5, 10, 100, 1000)
"""Lowest frequencies of the buckets after that of unknown words."""


class Bucket(NamedTuple):
    """Scores of the systems on a part of the test set."""

    name: str
    n: int
    """Number of segments, or of words of the references."""
    scores: dict[str, list[float]]
    """Score of each system, by metric."""


def length_labels(src: Sequence[str]) -> list[str]:
    """Return a label for each segment: its quarter of the test set by length.

    Lengths are words, or characters in languages without spaces.
    """
    spaces = has_spaces(src)
    lengths = np.array([len(split_words(line, spaces=spaces)) for line in src])
    bounds = np.quantile(lengths, np.arange(1, N_LENGTH_BUCKETS) / N_LENGTH_BUCKETS, method="lower")
    quarters = np.searchsorted(np.unique(bounds), lengths)
    labels = {
        quarter: f"{lengths[quarters == quarter].min()}-{lengths[quarters == quarter].max()} "
        + ("words" if spaces else "characters")
        for quarter in sorted(set(quarters.tolist()))
    }
    return [labels[quarter] for quarter in quarters.tolist()]


def score_buckets(comparison: Comparison, labels: Sequence[str]) -> list[Bucket]:
    """Score the segments of each label separately.

    Args:
        comparison: Systems and metrics.
        labels: Label of each segment.
    Returns:
        Buckets in the order of the first segment of each; numbers in labels in ascending order.
    """
    values = np.array(labels)
    return [
        Bucket(
            name,
            int((values == name).sum()),
            {
                key: [
                    mean(
                        float(metric.score(rows[values == name].sum(axis=0).tolist()))
                        for rows in result.rows[key]
                    )
                    for result in comparison.systems
                ]
                for key, metric in comparison.metrics.items()
            },
        )
        for name in sorted(dict.fromkeys(labels), key=_leading_number)
    ]


def score_words(
    systems: Sequence[System], references: Sequence[str], frequencies: Mapping[str, int]
) -> list[Bucket]:
    """Score the words of the translations by their frequency in the training corpus.

    The score is the F-measure of words: the harmonic mean of the share of the reference's words
    that are in the translation, and of the share of the translation's words that are in the
    reference.

    Args:
        systems: The systems.
        references: One reference for each segment.
        frequencies: Number of occurrences of words in the training corpus.
    """
    spaces = has_spaces(references)
    bounds = np.array(_FREQUENCY_BOUNDS)
    names = [
        "0",
        *(_range(low, high) for low, high in zip(bounds, [*bounds[1:], None], strict=True)),
    ]
    bucket_of = {
        word: int(np.searchsorted(bounds, n, side="right")) for word, n in frequencies.items()
    }
    expected = [Counter(split_words(line, spaces=spaces)) for line in references]
    in_references = _total(expected, bucket_of, len(names))
    f_measures = []
    for system in systems:
        of_runs = []
        for run in system.runs:
            words = [Counter(split_words(line, spaces=spaces)) for line in run]
            matches = [own & others for own, others in zip(words, expected, strict=True)]
            in_both = _total(matches, bucket_of, len(names))
            n = in_references + _total(words, bucket_of, len(names))
            of_runs.append(100 * 2 * in_both / np.maximum(n, 1))
        f_measures.append(np.mean(of_runs, axis=0))
    return [
        Bucket(name, int(in_references[i]), {"f1": [float(values[i]) for values in f_measures]})
        for i, name in enumerate(names)
        if in_references[i]
    ]


def _total(counters: Sequence[Counter[str]], bucket_of: Mapping[str, int], n: int) -> np.ndarray:
    totals = np.zeros(n, np.int64)
    for counter in counters:
        for word, count in counter.items():
            totals[bucket_of.get(word, 0)] += count
    return totals


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return f"{low}" if high == low + 1 else f"{low}-{high - 1}"


def _leading_number(label: str) -> int:
    digits = label.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0

"""Counts and samples of the pairs that cleaning and preprocessing drop, and their report."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from mtkit.corpus.clean.text_fixes import FIXES

RULES = {
    "blank": "one side has no text",
    "length": "one side has too few or too many characters (clean.min_chars, clean.max_chars)",
    "garbled": "characters were lost or decoded wrongly (clean.garbled)",
    "letters": "one side contains almost no letters (clean.min_letters)",
    "script": "one side is not in the script of its language (clean.min_script)",
    "char_ratio": "one side is much wider than the other (clean.max_char_ratio)",
    "copy": "both sides are the same (clean.min_copy_letters)",
    "test_overlap": "occurs in a validation or test set (clean.test_overlap)",
    "language": "one side is in another language (clean.wrong_language)",
}
"""Rules on the text of a pair, in the order in which they are applied."""


MAX_SAMPLES = 5
"""Number of dropped pairs per rule that are kept as samples."""


MAX_SAMPLE_CHARS = 500
"""Maximum length of each side of a sample; the rest is cut off."""


class DroppedSample(NamedTuple):
    """A dropped pair that is shown in a report."""

    line: int | None
    """Its number in the corpus, from 1, if known."""
    src: str
    tgt: str


class DropCounts:
    """Counts of dropped pairs by rule with the first few of each, and counts of text fixes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.fixed: Counter[str] = Counter()
        """Number of pairs changed by each fix, dropped pairs included."""
        self.samples: dict[str, list[DroppedSample]] = {}
        self.n_unaligned = 0
        """Number of kept pairs that lost their word alignment, because their words have changed."""

    def add(self, reason: str, line: int | None, src: str, tgt: str) -> None:
        """Count a dropped pair."""
        self.counts[reason] += 1
        if self.n_samples_missing(reason):
            self.samples.setdefault(reason, []).append(
                DroppedSample(line, _truncate(src), _truncate(tgt))
            )

    def n_samples_missing(self, reason: str) -> int:
        """Return how many more samples of a rule are kept."""
        return MAX_SAMPLES - len(self.samples.get(reason, ()))

    def merge(self, later: "DropCounts") -> None:
        """Add the counts of the pairs that follow, as if all had been counted together."""
        self.counts.update(later.counts)
        self.fixed.update(later.fixed)
        self.n_unaligned += later.n_unaligned
        for reason, samples in later.samples.items():
            self.samples.setdefault(reason, []).extend(samples[: self.n_samples_missing(reason)])

    def to_json(self) -> dict[str, Any]:
        """Return the counts for a manifest."""
        data = {
            "counts": dict(self.counts),
            "mended": dict(self.fixed),
            "samples": {name: list(map(list, kept)) for name, kept in self.samples.items()},
        }
        return data | {"n_unaligned": self.n_unaligned} if self.n_unaligned else data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Restore the counts from `to_json`."""
        dropped = cls()
        dropped.counts.update(data["counts"])
        dropped.fixed.update(data["mended"])
        dropped.samples = {
            name: [DroppedSample(*sample) for sample in kept]
            for name, kept in data["samples"].items()
        }
        dropped.n_unaligned = data.get("n_unaligned", 0)
        return dropped


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_SAMPLE_CHARS else f"{text[:MAX_SAMPLE_CHARS]}..."


REASONS = RULES | {
    "too_long": "one side has more than preprocess.max_length tokens",
    "ratio": "one side has many more tokens than the other (preprocess.max_ratio)",
    "duplicate": "occurs earlier in the corpus (clean.duplicates)",
}
"""All rules in the order in which they are applied; a pair counts for the first that it
violates.
"""


_SHOWN_CHARS = 150


def dropped_lines(
    dropped: DropCounts,
    n_samples: int = 0,
    n_read: int = 0,
    reasons: Mapping[str, str] = REASONS,
) -> Iterator[str]:
    """Format what was dropped and fixed, line by line.

    Args:
        dropped: The counts.
        n_samples: Number of pairs to show per rule.
        n_read: Number of all pairs, for percentages; 0 omits them.
        reasons: All rules in order, with their explanations.
    """
    for reason, explanation in reasons.items():
        if count := dropped.counts[reason]:
            yield f"  {_format_count(count, n_read)} dropped by rule {reason}: {explanation}"
            for line, src, tgt in dropped.samples.get(reason, [])[:n_samples]:
                where = "" if line is None else f"line {line}: "
                yield f"      {where}{_escape(src)}  |  {_escape(tgt)}"
    for name, explanation in FIXES.items():
        if count := dropped.fixed[name]:
            yield f"  {_format_count(count, n_read)} fixed by rule {name}: {explanation}"
    if count := dropped.n_unaligned:
        yield (
            f"  {_format_count(count, n_read)} lost their word alignment: cleaning or the "
            "tokenizer joined, split or removed some of their words"
        )


def _format_count(count: int, n_all: int) -> str:
    return f"{count:,} ({count / n_all:.2%})" if n_all else f"{count:,}"


def _escape(text: str) -> str:
    """Escape characters that a terminal could interpret, and truncate."""
    visible = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return visible if len(visible) <= _SHOWN_CHARS else f"{visible[:_SHOWN_CHARS]}..."

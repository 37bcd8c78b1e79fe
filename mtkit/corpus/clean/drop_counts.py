"""Counts and samples of the pairs that cleaning and preprocessing drop, and their report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
    "test_overlap": "in a validation or test set (clean.test_overlap)",
}
"""Why a pair is dropped for its text, in the order in which the rules are tried."""


MAX_SAMPLES = 5
"""Dropped pairs of each rule that are remembered."""


MAX_SAMPLE_CHARS = 500
"""Of a side of such a pair; what is longer is cut."""


class DroppedSample(NamedTuple):
    """A dropped pair, for people to look at."""

    line: int | None
    """Its number in the corpus, from 1, where that is known."""
    src: str
    tgt: str


class DropCounts:
    """Counts dropped pairs by reason, remembers the first few of each, and counts what was mended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.fixed: Counter[str] = Counter()
        """Pairs by what was mended in them, dropped ones included."""
        self.samples: dict[str, list[DroppedSample]] = {}
        self.n_unaligned = 0
        """Pairs that had a word alignment and lost it, because their words are no longer those that were aligned; they stay."""

    def add(self, reason: str, line: int | None, src: str, tgt: str) -> None:
        """Count a dropped pair."""
        self.counts[reason] += 1
        if self.n_samples_missing(reason):
            self.samples.setdefault(reason, []).append(
                DroppedSample(line, _truncate(src), _truncate(tgt))
            )

    def add_fixes(self, names: Iterable[str]) -> None:
        """Count a mended pair."""
        self.fixed.update(names)

    def n_samples_missing(self, reason: str) -> int:
        """How many more samples of a reason would be remembered."""
        return MAX_SAMPLES - len(self.samples.get(reason, ()))

    def merge(self, later: "DropCounts") -> None:
        """Add what was counted in the following pairs of the corpus: counted in pieces and merged is counted at once."""
        self.counts.update(later.counts)
        self.fixed.update(later.fixed)
        self.n_unaligned += later.n_unaligned
        for reason, samples in later.samples.items():
            self.samples.setdefault(reason, []).extend(samples[: self.n_samples_missing(reason)])

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        about = {
            "counts": dict(self.counts),
            "mended": dict(self.fixed),
            "samples": {name: list(map(list, kept)) for name, kept in self.samples.items()},
        }
        return about | {"n_unaligned": self.n_unaligned} if self.n_unaligned else about

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
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
    "too_long": "one side has more than preprocess.max_length pieces",
    "ratio": "one side has many more pieces than the other (preprocess.max_ratio)",
    "duplicate": "occurs earlier in the corpus (clean.duplicates)",
}
"""Why a pair is dropped, in the order in which the rules are tried; a pair counts for the first that it breaks."""


_SHOWN_CHARS = 150


def dropped_lines(dropped: DropCounts, n_samples: int = 0, n_read: int = 0) -> Iterator[str]:
    """What was dropped and mended, for people, line by line.

    Args:
        dropped: The counts.
        n_samples: Pairs to show of each reason.
        n_read: Pairs in all, for the shares; 0 leaves these out.
    """
    for reason, explanation in REASONS.items():
        if count := dropped.counts[reason]:
            yield f"  {_format_count(count, n_read)} dropped by rule {reason}: {explanation}"
            for line, src, tgt in dropped.samples.get(reason, [])[:n_samples]:
                where = "" if line is None else f"line {line}: "
                yield f"      {where}{_escape(src)}  |  {_escape(tgt)}"
    for name, explanation in FIXES.items():
        if count := dropped.fixed[name]:
            yield f"  {_format_count(count, n_read)} repaired by rule {name}: {explanation}"
    if count := dropped.n_unaligned:
        yield f"  {_format_count(count, n_read)} lost their word alignment: cleaning or the tokenizer joins, splits or takes away words of theirs"


def _format_count(count: int, n_all: int) -> str:
    return f"{count:,} ({count / n_all:.2%})" if n_all else f"{count:,}"


def _escape(text: str) -> str:
    """A text as a terminal may safely show it."""
    visible = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return visible if len(visible) <= _SHOWN_CHARS else f"{visible[:_SHOWN_CHARS]}..."

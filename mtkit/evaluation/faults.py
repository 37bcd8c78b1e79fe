"""Faults of translations that a score does not show, such as repetition or a lost number.

A fault that a reference of the segment has as well does not count. Without references, faults are
recognized by the source.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from mtkit.corpus.placeholders import lost_placeholders
from mtkit.corpus.repetition import repeated_beyond
from mtkit.corpus.scripts import script_of, scripts_of_language
from mtkit.evaluation.comparison import System
from mtkit.evaluation.resampling import sign_test
from mtkit.evaluation.words import count_scripts, has_spaces, split_words

MAX_LINES = 5
"""Number of segments with a fault whose line numbers are kept."""

_SHORT, _LONG, _MIN_CHARS = 1 / 2, 2, 20
"""A translation is cut short if it has less than this share of the characters of the shortest
reference, too long if it has more than this multiple of the longest, with a difference of at least
20 characters."""
_MIN_FOREIGN_SHARE, _MIN_FOREIGN_LETTERS = 0.2, 3
"""Letters of other scripts from which a translation is in the wrong script."""
_MIN_SCRIPT_SHARE = 0.1
"""Share of the letters of all texts from which a script is one of the language."""

_ENDS = frozenset(".!?…。！？।۔؟។።")
_CLOSING = "\"'”’»«›‹)]}」』）】 \t\u00a0"
_KINDS = {
    "url": re.compile(r"https?://|ftp://|www\."),
    "e-mail address": re.compile(r"[\w.+-]+@"),
    "tag": re.compile(r"<"),
    "number": re.compile(r"\d"),
    "placeholder": re.compile(r""),
}
"""Kinds of lost parts by their beginnings; the first that matches."""


class Segment(NamedTuple):
    """Source and references of a segment."""

    references: list[str]
    """Empty if faults are recognized by the source alone."""
    src: str | None
    """None if there is no source text."""
    n_chars: float = 0.0
    """Expected length of a translation if there are no references, in characters."""
    scripts: frozenset[str] = frozenset()
    """Further scripts that its translation may have."""

    @property
    def lengths(self) -> Sequence[float]:
        """Lengths of good translations, in characters."""
        return [*map(len, self.references)] or [self.n_chars]

    @property
    def expected(self) -> list[str]:
        """Texts that a good translation resembles: the references and the source."""
        return self.references if self.src is None else [*self.references, self.src]


class Language(NamedTuple):
    """Properties of the target language."""

    scripts: frozenset[str]
    has_spaces: bool


@dataclass(frozen=True)
class FaultCount:
    """Segments in which one system has a fault."""

    n: int
    """Number of segments; with several runs, of all runs together."""
    lines: list[int]
    """Numbers of the first of these segments, from 1."""
    p: float | None = None
    """p-value of an exact sign test against the baseline; None for the baseline itself."""


def count_faults(
    systems: Sequence[System],
    references: Sequence[Sequence[str]],
    src: Sequence[str] | None = None,
    lang: str = "",
) -> dict[str, list[FaultCount]]:
    """Count the faults of each system, by their names.

    Args:
        systems: The first is the baseline.
        references: One list or several.
        src: The source text, if known; otherwise the first references take its place, and copies
            are not recognized.
        lang: Code of the target language, if known; otherwise its scripts are those of the
            references.
    """
    segments = [
        Segment(
            [line for line in lines if line.strip()] or [lines[0]], None if src is None else src[i]
        )
        for i, lines in enumerate(zip(*references, strict=True))
    ]
    scripts = usual_scripts(chain.from_iterable(references), lang)
    language = Language(scripts, has_spaces(references[0]))
    found: dict[str, list[list[int]]] = {
        fault: [[0] * len(segments) for _ in systems] for fault in FAULTS
    }
    for number, system in enumerate(systems):
        for run in system.runs:
            for index, (hypothesis, segment) in enumerate(zip(run, segments, strict=True)):
                for fault in find_faults(hypothesis, segment, language):
                    found[fault][number][index] += 1
    return {
        fault: [
            _count(by_segment, None if i == 0 else counts[0]) for i, by_segment in enumerate(counts)
        ]
        for fault, counts in found.items()
    }


def find_faults(hypothesis: str, segment: Segment, language: Language) -> list[str]:
    """Return the names of the faults of a translation."""
    if not hypothesis.strip():
        return ["empty"] if segment.expected[0].strip() else []
    faults = [
        name for name, has_fault in _CHECKS.items() if has_fault(hypothesis, segment, language)
    ]
    origin = segment.references[0] if segment.src is None else segment.src
    # Most lines lose nothing, so the references are searched for the others only.
    if lost := set(lost_placeholders(origin, hypothesis)):
        lost -= {part for line in segment.references for part in lost_placeholders(origin, line)}
    kinds = {next(kind for kind, start in _KINDS.items() if start.match(part)) for part in lost}
    return faults + [f"{kind} lost" for kind in _KINDS if kind in kinds]


def usual_scripts(texts: Iterable[str], lang: str) -> frozenset[str]:
    """Return the scripts of a language if its code is known, else those that texts often use."""
    if scripts := scripts_of_language(lang):
        return scripts
    counts = count_scripts(texts)
    return frozenset(
        script for script, n in counts.items() if n >= _MIN_SCRIPT_SHARE * counts.total()
    )


def _count(by_segment: list[int], baseline: list[int] | None) -> FaultCount:
    lines = [number for number, n in enumerate(by_segment, 1) if n]
    p = None
    if baseline is not None:
        pairs = list(zip(by_segment, baseline, strict=True))
        p = sign_test(
            sum(own > base for own, base in pairs), sum(own < base for own, base in pairs)
        )
    return FaultCount(sum(by_segment), lines[:MAX_LINES], p)


def _is_copied(hypothesis: str, segment: Segment, language: Language) -> bool:
    if segment.src is None or not any(char.isalpha() for char in hypothesis):
        return False
    texts = {" ".join(line.split()) for line in segment.references}
    hypothesis = " ".join(hypothesis.split())
    return hypothesis == " ".join(segment.src.split()) and hypothesis not in texts


def _is_looping(hypothesis: str, segment: Segment, language: Language) -> bool:
    words = split_words(hypothesis, spaces=language.has_spaces)
    return all(
        repeated_beyond(split_words(line, spaces=language.has_spaces), words)
        for line in segment.expected
    )


def _is_short(hypothesis: str, segment: Segment, language: Language) -> bool:
    shortest = min(segment.lengths)
    return len(hypothesis) < _SHORT * shortest and shortest - len(hypothesis) >= _MIN_CHARS


def _is_long(hypothesis: str, segment: Segment, language: Language) -> bool:
    longest = max(segment.lengths)
    return len(hypothesis) > _LONG * longest and len(hypothesis) - longest >= _MIN_CHARS


def _lost_end(hypothesis: str, segment: Segment, language: Language) -> bool:
    if not all(_last(line) in _ENDS for line in segment.expected):
        return False
    return unicodedata.category(_last(hypothesis) or " ")[0] != "P"


def _last(text: str) -> str:
    return text.rstrip(_CLOSING)[-1:]


def _is_in_wrong_script(hypothesis: str, segment: Segment, language: Language) -> bool:
    letters = [script for char in hypothesis if (script := script_of(char))]
    allowed = language.scripts | segment.scripts | count_scripts(segment.references).keys()
    n_foreign = sum(script not in allowed for script in letters)
    return n_foreign >= max(_MIN_FOREIGN_LETTERS, _MIN_FOREIGN_SHARE * len(letters))


_CHECKS: dict[str, Callable[[str, Segment, Language], bool]] = {
    "copied": _is_copied,
    "looping": _is_looping,
    "cut short": _is_short,
    "too long": _is_long,
    "wrong script": _is_in_wrong_script,
    "end punctuation lost": _lost_end,
}
FAULTS = ("empty", *_CHECKS, *(f"{kind} lost" for kind in _KINDS))
"""Names of all faults."""

"""Checks of a chunk of lines that do not need other lines."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mtkit.checking.characters import PROBLEM_CHARS, SPACE, CharClassCounter
from mtkit.checking.counts import CorpusCounts, ScriptMix, SideCounts, Where
from mtkit.checking.lenient_reader import DecodedLines, RawChunk, decode_lines
from mtkit.checking.side_words import SideWords
from mtkit.config.clean import CleanConfig
from mtkit.corpus.clean.pair_rules import (
    GARBLED,
    MIN_FOREIGN_LATIN_LETTERS,
    NON_LATIN_FACTOR,
    is_garbled,
)
from mtkit.corpus.sentence_pair import SIDES, Side
from mtkit.tokenizer.pretokenized import count_markers

SAMPLE_EVERY = 4
"""Every fourth line suffices to recognize tokenized or lower-cased text."""
MIN_LATIN_SHARE = CleanConfig().min_script
"""Minimum share of Latin letters in a line for it to count as Latin."""
MIN_SCRIPT_SHARE = NON_LATIN_FACTOR * MIN_LATIN_SHARE
"""The same for other scripts; names and code in such lines are Latin, up to 90% in Korean
manuals.
"""
MIN_LETTERS = CleanConfig().min_letters
"""Minimum share of letters among the characters of a line, spaces excluded."""
MAX_CHARS = CleanConfig().max_chars
"""Maximum length of a sentence."""

EDGE_SPACES = frozenset(
    " \t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000"
)

_LINE_CLASSES = (*PROBLEM_CHARS, "control", "private_use")
_MAX_SCRIPTS = 30
"""Number of scripts per side that are distinguished; the bits of both sides fit in an int64."""

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")

PATTERNS = {"html_entities": _ENTITY, "mojibake": GARBLED}
"""Patterns of faults, so that a report can show their position."""


class LineChecker:
    """Checks chunks; can be sent to another process.

    Args:
        side_words: Words by which the languages of the sides are distinguished, or None.
    """

    def __init__(self, side_words: SideWords | None) -> None:
        self._counter = CharClassCounter()
        self._side_words = side_words

    def check(self, chunk: RawChunk) -> tuple[CorpusCounts, DecodedLines, DecodedLines]:
        """Check a chunk.

        Returns:
            The counts, and the decoded lines of both sides.
        """
        counts = CorpusCounts()
        src, tgt = decode_lines(chunk.src, chunk.first), decode_lines(chunk.tgt, chunk.first)
        src_scripts, tgt_scripts = (
            self._check_side(counts, name, side, chunk.first)
            for name, side in zip(SIDES, (src, tgt), strict=True)
        )
        n_pairs = min(len(src.lines), len(tgt.lines))
        for mix, indexes in _script_mixes(src_scripts, tgt_scripts, n_pairs):
            counts.add_scripts(mix, (indexes + chunk.first).tolist())
        _check_pairs(counts, src, tgt, n_pairs, chunk.first)
        if self._side_words is not None:
            _find_swapped(
                counts, src.lines[:n_pairs], tgt.lines[:n_pairs], chunk.first, self._side_words
            )
        return counts, src, tgt

    def _check_side(
        self, counts: CorpusCounts, name: Side, side: DecodedLines, first: int
    ) -> dict[str, NDArray[np.int64]]:
        """Check one side; returns the number of letters per script in each line."""
        lines = side.lines
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        char_classes = self._counter.count(lines)
        problems = {
            kind: np.flatnonzero(char_classes.pop(kind))
            for kind in _LINE_CLASSES
            if kind in char_classes
        }
        if "bom" in problems:
            problems["bom_inside"] = problems.pop("bom")
        n_visible = lengths - char_classes.pop(SPACE, 0)
        n_letters = sum(char_classes.values(), np.zeros(len(lines), np.int64))
        indexes_of_fault: dict[str, Iterable[int]] = {
            **side.faults,
            **problems,
            **_text_faults(lines),
            "few_letters": np.flatnonzero(n_letters < MIN_LETTERS * n_visible),
            "long": np.flatnonzero(lengths > MAX_CHARS),
        }
        for fault, indexes in indexes_of_fault.items():
            counts.add(fault, name, [first + int(index) for index in indexes])
        counts.sides[name] = _side_counts(lines, int(lengths.sum()))
        return char_classes


def _text_faults(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return the indexes of the lines with faults that are not a single character."""
    text = "\n".join(lines)
    indexes_of_fault = {
        fault: [index for index, line in enumerate(lines) if holds(line)]
        for fault, (may_hold, holds) in _TEXT_FAULTS.items()
        if may_hold(text)
    }
    indexes_of_fault["edge_spaces"] = [
        index
        for index, line in enumerate(lines)
        if (line[:1] in EDGE_SPACES or line[-1:] in EDGE_SPACES) and line.strip()
    ]
    return indexes_of_fault


def _side_counts(lines: Sequence[str], n_chars: int) -> SideCounts:
    sample = lines[::SAMPLE_EVERY]
    return SideCounts(
        n_lines=len(lines),
        n_chars=n_chars,
        n_sampled=len(sample),
        n_cased=sum(line.upper() != line.lower() for line in sample),
        n_with_upper=sum(line != line.lower() for line in sample),
        markers=Counter(count_markers(sample)),
    )


def _has_entity(line: str) -> bool:
    return any(html.unescape(entity) != entity for entity in _ENTITY.findall(line))


_TEXT_FAULTS: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
    "html_entities": (lambda text: "&" in text, _has_entity),
    "mojibake": (is_garbled, lambda line: GARBLED.search(line) is not None),
    "not_nfc": (
        lambda text: not unicodedata.is_normalized("NFC", text),
        lambda line: not unicodedata.is_normalized("NFC", line),
    ),
}
"""For each fault, a fast check of a whole chunk, and a check of a line."""


def _check_pairs(
    counts: CorpusCounts, src: DecodedLines, tgt: DecodedLines, n_pairs: int, first: int
) -> None:
    src_lines, tgt_lines = ([line.strip() for line in side.lines[:n_pairs]] for side in (src, tgt))
    damaged = {
        index
        for side in (src, tgt)
        for index in side.faults.get("invalid_utf8", ())
        if index < n_pairs
    }
    blank: dict[str, list[int]] = {"src": [], "tgt": [], "pair": []}
    usable = []
    for index, (src_line, tgt_line) in enumerate(zip(src_lines, tgt_lines, strict=True)):
        if src_line and tgt_line:
            usable.append(index)
        elif index not in damaged:
            blank["pair" if not src_line and not tgt_line else "tgt" if src_line else "src"].append(
                first + index
            )
    counts.add("blank", "pair", blank["pair"])
    counts.add("one_sided", "src", blank["src"])
    counts.add("one_sided", "tgt", blank["tgt"])
    counts.add(
        "copies",
        "pair",
        [first + index for index in usable if src_lines[index] == tgt_lines[index]],
    )
    counts.n_usable = len(usable)
    lengths = [
        np.array([len(lines[index]) for index in usable], np.int64)
        for lines in (src_lines, tgt_lines)
    ]
    counts.ratios.add(np.array(usable, np.int64) + first, *lengths)


def _find_swapped(
    counts: CorpusCounts,
    src_lines: Sequence[str],
    tgt_lines: Sequence[str],
    first: int,
    side_words: SideWords,
) -> None:
    """Count lines in the language of the other side, and pairs in which both sides are."""
    is_tgt, is_src = side_words.is_tgt, side_words.swapped().is_tgt
    src_indexes = {index for index, line in enumerate(src_lines) if is_tgt(line)}
    tgt_indexes = {index for index, line in enumerate(tgt_lines) if is_src(line)}
    findings: list[tuple[str, Where, set[int]]] = [
        ("swapped", "pair", src_indexes & tgt_indexes),
        ("wrong_language", "src", src_indexes - tgt_indexes),
        ("wrong_language", "tgt", tgt_indexes - src_indexes),
    ]
    for name, where, indexes in findings:
        counts.add(name, where, [first + index for index in sorted(indexes)])


def _script_mixes(
    src: dict[str, NDArray[np.int64]], tgt: dict[str, NDArray[np.int64]], n_pairs: int
) -> list[tuple[ScriptMix, NDArray[np.int64]]]:
    """Return the combinations of scripts in these pairs, each with its line indexes."""
    src_names, src_bits = _script_bits(src, n_pairs)
    tgt_names, tgt_bits = _script_bits(tgt, n_pairs)
    both = src_bits << _MAX_SCRIPTS | tgt_bits
    mixes = []
    for bits in np.unique(both):
        mix = ScriptMix(_names(src_names, int(bits) >> _MAX_SCRIPTS), _names(tgt_names, int(bits)))
        mixes.append((mix, np.flatnonzero(both == bits)))
    return mixes


def _script_bits(
    letters: dict[str, NDArray[np.int64]], n_pairs: int
) -> tuple[Sequence[str], NDArray[np.int64]]:
    """Return the names of scripts, and for each line a bit per script of enough of its letters."""
    names = sorted(letters, key=lambda name: -letters[name].sum())[:_MAX_SCRIPTS]
    bits = np.zeros(n_pairs, np.int64)
    if names:
        counts = np.stack([letters[name][:n_pairs] for name in names])
        n_letters = counts.sum(axis=0)
        shares = np.array(
            [MIN_LATIN_SHARE if name == "latin" else MIN_SCRIPT_SHARE for name in names]
        )
        is_in = (counts > 0) & (counts >= shares[:, None] * n_letters)
        for row in (row for row, name in enumerate(names) if name == "latin"):
            # `OK` and `TV` are written in any language.
            is_in[row] &= (n_letters >= MIN_FOREIGN_LATIN_LETTERS) | (counts[row] < n_letters)
        bits = (is_in.astype(np.int64) << np.arange(len(names))[:, None]).sum(axis=0)
    return names, bits


def _names(names: Sequence[str], bits: int) -> frozenset[str]:
    return frozenset(name for number, name in enumerate(names) if bits >> number & 1)

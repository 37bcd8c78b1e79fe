"""Hash the words of many lines at once, for statistics over words whose spelling is not needed again."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_LINE_CHARS = 500
"""What follows in a line is not looked at, which bounds the memory."""

_SPACE, _SYMBOL, _LETTER, _SYLLABLE, _DENSE, _DIGIT = range(6)
# Inflection and particles stand at the end of words in most languages, so a word's beginning is taken for its stem.
_MAX_WORD_CHARS = np.array([0, 1, 5, 2, 2, MAX_LINE_CHARS], dtype=np.int64)
_HANGUL_SYLLABLES = (0xAC00, 0xD7A3)
# Thai and Lao, Burmese, Khmer, kana, ideographs: written without spaces.
_DENSE_SCRIPTS = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
)
_FIRST_BEYOND = 0x20000
_MULTIPLIER = 0x9E3779B97F4A7C15
_BLANK = np.uint32(1)
"""The word of a line without words: blank lines that stand in both files are a landmark like any other."""


class HashedWords(NamedTuple):
    """The different words of some lines, each a hash.

    A word is a run of letters, cut to its first characters, or a run of digits; a punctuation mark or symbol; in scripts without spaces each pair of
    neighbours. Texts that look alike are alike: Unicode NFKC, case folded. Equal words have equal hashes in every file and on every machine.
    """

    hashes: NDArray[np.uint32]
    """Shape (M,): the words of line 0, then of line 1, ...; never 0, and at least one a line."""
    rows: NDArray[np.int32]
    """Shape (M,): the line of each."""
    log_lengths: NDArray[np.float32]
    """Shape (n_lines,): the logarithm of a line's length in characters, flattened near 0."""


def hash_words(lines: Sequence[str]) -> HashedWords:
    """Find the words of lines. Memory: some 100 bytes a character, so hand over some thousand lines at a time."""
    log_lengths = np.log(np.array([len(line) for line in lines], dtype=np.float32) + 5)
    # LF alone separates the lines below.
    text = "\n".join(line[:MAX_LINE_CHARS].replace("\n", " ") for line in lines)
    text = unicodedata.normalize("NFKC", text).casefold() + "\n"
    chars = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    starts, ends = _word_bounds(chars)
    hashes = _hash_spans(chars, starts, ends)
    line_ends = np.flatnonzero(chars == ord("\n"))[: len(lines)]
    keys = np.unique(
        (np.searchsorted(line_ends, starts).astype(np.uint64) << np.uint64(32)) | hashes
    )
    rows = (keys >> np.uint64(32)).astype(np.int32)
    blank_rows = np.flatnonzero(np.bincount(rows, minlength=len(lines)) == 0)
    where = np.searchsorted(rows, blank_rows)
    return HashedWords(
        np.insert(keys.astype(np.uint32), where, _BLANK),
        np.insert(rows, where, blank_rows).astype(np.int32),
        log_lengths,
    )


def concatenate_words(parts: Sequence[HashedWords]) -> HashedWords:
    """The words of all lines of the parts, in this order."""
    n_before = np.cumsum([0] + [len(part.log_lengths) for part in parts])
    return HashedWords(
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.rows + np.int32(n) for part, n in zip(parts, n_before, strict=False)]),
        np.concatenate([part.log_lengths for part in parts]),
    )


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread each value over all 64 bits, one to one."""
    values = values ^ (values >> np.uint64(32))
    for _ in range(2):
        values = values * np.uint64(0xD6E8FEB86659FD93)
        values ^= values >> np.uint64(32)
    return values


def _word_bounds(chars: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each word starts and ends."""
    kinds = _kinds_of_chars()[np.minimum(chars, _FIRST_BEYOND)]
    is_first = np.concatenate([[True], kinds[1:] != kinds[:-1]])
    run_ends = np.append(np.flatnonzero(is_first)[1:], len(chars))
    starts = np.flatnonzero((kinds != _SPACE) & (is_first | (kinds == _SYMBOL) | (kinds == _DENSE)))
    run_of_char = np.cumsum(is_first) - 1
    return starts, np.minimum(
        run_ends[run_of_char[starts]], starts + _MAX_WORD_CHARS[kinds[starts]]
    )


def _hash_spans(
    chars: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """A hash of 32 bits of each span: a polynomial in the characters, read off prefix sums, modulo 2**64."""
    powers = _powers(_MULTIPLIER, len(chars))
    sums = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum((chars + np.uint32(1)).astype(np.uint64) * powers)]
    )
    # The multiplier is odd, so that it has an inverse, and a span's hash does not depend on its place.
    at_zero = (sums[ends] - sums[starts]) * _powers(pow(_MULTIPLIER, -1, 1 << 64), len(chars))[
        starts
    ]
    return np.maximum(mix(at_zero) >> np.uint64(32), np.uint64(2))


def _powers(base: int, n: int) -> NDArray[np.uint64]:
    factors = np.full(n, base, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


@cache
def _kinds_of_chars() -> NDArray[np.uint8]:
    """What each code point below 0x20000 is; the last entry stands for all above, which are rare ideographs."""
    of_category = {
        "Z": _SPACE,
        "C": _SPACE,
        "P": _SYMBOL,
        "S": _SYMBOL,
        "L": _LETTER,
        "M": _LETTER,
        "N": _DIGIT,
    }
    kinds = np.array(
        [of_category[unicodedata.category(chr(code))[0]] for code in range(_FIRST_BEYOND)]
        + [_DENSE],
        dtype=np.uint8,
    )
    for first, last in _DENSE_SCRIPTS:
        script = kinds[first : last + 1]
        script[script == _LETTER] = _DENSE
    kinds[_HANGUL_SYLLABLES[0] : _HANGUL_SYLLABLES[1] + 1] = _SYLLABLE
    return kinds

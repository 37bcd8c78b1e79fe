"""Hash the words of many lines at once, for statistics that do not need their spelling."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_LINE_CHARS = 500
"""The rest of a longer line is ignored, which bounds the memory."""

_SPACE, _SYMBOL, _LETTER, _SYLLABLE, _DENSE, _DIGIT = range(6)
# In most languages, inflection and particles are at the end of words, so the first characters
# approximate the stem.
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
"""The word of a line without words: blank lines in both files are evidence like any other."""


class HashedWords(NamedTuple):
    """The distinct words of lines, as hashes.

    A word is a run of letters, cut to its first characters; a run of digits; a punctuation mark or
    symbol; and each pair of adjacent characters in scripts without spaces. Text is normalized to
    NFKC and case folded. Hashes are the same in every file and on every machine.
    """

    hashes: NDArray[np.uint32]
    """Shape (M,): the words of line 0, then of line 1, ...; never 0, and at least one per line."""
    rows: NDArray[np.int32]
    """Shape (M,): the line of each word."""
    log_lengths: NDArray[np.float32]
    """Shape (n_lines,): the logarithm of the line's length in characters, smoothed near 0."""


def hash_words(lines: Sequence[str]) -> HashedWords:
    """Hash the words of a few thousand lines; takes about 100 bytes per character."""
    log_lengths = np.log(np.array([len(line) for line in lines], dtype=np.float32) + 5)
    # Only LF separates the lines below.
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
    positions = np.searchsorted(rows, blank_rows)
    return HashedWords(
        np.insert(keys.astype(np.uint32), positions, _BLANK),
        np.insert(rows, positions, blank_rows).astype(np.int32),
        log_lengths,
    )


def concatenate_words(blocks: Sequence[HashedWords]) -> HashedWords:
    """Concatenate the words of several blocks of lines."""
    n_before = np.cumsum([0] + [len(block.log_lengths) for block in blocks])
    return HashedWords(
        np.concatenate([block.hashes for block in blocks]),
        np.concatenate(
            [block.rows + np.int32(n) for block, n in zip(blocks, n_before, strict=False)]
        ),
        np.concatenate([block.log_lengths for block in blocks]),
    )


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each 64-bit value, bijectively."""
    values = values ^ (values >> np.uint64(32))
    for _ in range(2):
        values = values * np.uint64(0xD6E8FEB86659FD93)
        values ^= values >> np.uint64(32)
    return values


def _word_bounds(chars: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and end of each word."""
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
    """Return a 32-bit hash of each span: a polynomial modulo 2**64, from prefix sums."""
    powers = _powers(_MULTIPLIER, len(chars))
    sums = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum((chars + np.uint32(1)).astype(np.uint64) * powers)]
    )
    # The multiplier is odd and therefore has an inverse, so that a hash does not depend on the
    # position of the span.
    unshifted = (sums[ends] - sums[starts]) * _powers(pow(_MULTIPLIER, -1, 1 << 64), len(chars))[
        starts
    ]
    return np.maximum(mix(unshifted) >> np.uint64(32), np.uint64(2))


def _powers(base: int, n: int) -> NDArray[np.uint64]:
    factors = np.full(n, base, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


@cache
def _kinds_of_chars() -> NDArray[np.uint8]:
    """Classify the code points below 0x20000; the last entry stands for all above, ideographs."""
    kind_of_category = {
        "Z": _SPACE,
        "C": _SPACE,
        "P": _SYMBOL,
        "S": _SYMBOL,
        "L": _LETTER,
        "M": _LETTER,
        "N": _DIGIT,
    }
    kinds = np.array(
        [kind_of_category[unicodedata.category(chr(code))[0]] for code in range(_FIRST_BEYOND)]
        + [_DENSE],
        dtype=np.uint8,
    )
    for first, last in _DENSE_SCRIPTS:
        script = kinds[first : last + 1]
        script[script == _LETTER] = _DENSE
    kinds[_HANGUL_SYLLABLES[0] : _HANGUL_SYLLABLES[1] + 1] = _SYLLABLE
    return kinds

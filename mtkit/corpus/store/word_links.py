"""Word alignments: files in Pharaoh format, and links as arrays."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import MtkitError
from mtkit.io.spool import read_spooled_lines

LINK_TYPE = np.dtype("<u2")
"""Type of word indexes on disk."""
MAX_WORDS = 1 << 16
"""Maximum number of words per side; a longer side has no links."""

_LINK = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
# Word aligners in C++ split words at spaces and tabs, those in Python at these characters too.
_DISPUTED_SPACE = re.compile(r"[^\S \t]")

TextFunction = Callable[[str], str]


class WordLinks(NamedTuple):
    """Word alignment links of pairs, concatenated."""

    links: NDArray[np.integer]
    """Index of the source word and of the target word. Shape (sum of lengths, 2)."""
    lengths: NDArray[np.int64]
    """Number of links of each pair; 0 for a pair without alignment. Shape (B,)."""

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[tuple[int, int]]]) -> Self:
        """Concatenate the links of each pair."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        links = np.fromiter(
            chain.from_iterable(chain.from_iterable(rows)), np.int64, 2 * int(lengths.sum())
        )
        return cls(links.reshape(-1, 2), lengths)

    @classmethod
    def none(cls, n_pairs: int) -> Self:
        """Return empty links for pairs without alignment."""
        return cls(np.empty((0, 2), LINK_TYPE), np.zeros(n_pairs, np.int64))

    def select(self, is_kept: NDArray[np.bool_]) -> "WordLinks":
        """Select pairs."""
        return WordLinks(self.links[np.repeat(is_kept, self.lengths)], self.lengths[is_kept])

    def without(self, is_removed: NDArray[np.bool_]) -> "WordLinks":
        """Remove the links of some pairs, and keep the pairs."""
        return WordLinks(
            self.links[np.repeat(~is_removed, self.lengths)], np.where(is_removed, 0, self.lengths)
        )


def read_links(path: Path) -> Iterator[str]:
    """Yield the lines of an alignment file.

    Raises:
        MtkitError: At the first line: no such file.
    """
    return read_spooled_lines(path, "the alignment")


def parse_links(line: str, src: str, tgt: str, where: str) -> list[tuple[int, int]]:
    """Parse the links of one pair; the result is sorted and without duplicates.

    Args:
        line: Links such as `0-0 1-2`; a blank line has none.
        src: The source as the word aligner read it.
        tgt: The target as the word aligner read it.
        where: Location in errors.
    Raises:
        MtkitError: A link is malformed, or refers to a word that does not exist.
    """
    links = set()
    n_src, n_tgt = len(src.split()), len(tgt.split())
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise MtkitError(
                f"{where}: `{text[:40]}` is not a link",
                "use Pharaoh format, as word aligners write it: 0-0 1-2, words counted from 0",
            )
        link = int(match[1]), int(match[2])
        if link[0] >= n_src or link[1] >= n_tgt:
            raise MtkitError(
                f"{where}: link {text}, but the pair has {n_src:,} source and {n_tgt:,} target "
                "words, counted from 0",
                "line N must align line N of src and tgt as they are in the files; "
                "run the word aligner again, source first",
            )
        links.add(link)
    return sorted(links)


def count_aligned_words(
    text: str, fixed: str, fix: TextFunction, normalize: TextFunction
) -> int | None:
    """Return the number of words if cleaning and normalization keep each word; else None.

    Args:
        text: The line as the word aligner read it.
        fixed: The line after cleaning.
        fix: The function that cleaned it.
        normalize: The tokenizer's normalization, which is applied next.
    """
    if not text.isprintable() and _DISPUTED_SPACE.search(text):
        return None
    words = text.split()
    if len(words) > MAX_WORDS:
        return None
    if fixed != text:
        words = _changed_words(words, fixed, fix)
    normalized = normalize(fixed)
    if words is not None and normalized != fixed:
        words = _changed_words(words, normalized, normalize)
    return None if words is None else len(words)


def _changed_words(words: list[str], changed_text: str, change: TextFunction) -> list[str] | None:
    """Return the words of a changed text, if each results from the word at its position."""
    changed = changed_text.split()
    return changed if changed == words or changed == [change(word) for word in words] else None

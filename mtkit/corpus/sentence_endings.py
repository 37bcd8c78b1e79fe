"""Sentence boundaries without punctuation, from word endings that occur only at line ends.

In languages with the verb at the end, such as Korean, the last syllables mark the end of a
sentence, so that people leave out the full stop. For example, `나는 학교에 간다 그는 집에 간다`
is two sentences.
"""

import re
from collections import Counter
from collections.abc import Sequence

_LENGTHS = (1, 2, 3)
"""Lengths of endings in characters."""
_MIN_COUNT, _MAX_WITHIN = 5, 0.01
"""An ending must end at least this many lines, and may occur within lines at most this often,
relative to the lines that it ends.
"""
_MIN_BARE_SHARE = 0.05
"""If fewer lines than this share end without punctuation, the text is punctuated and endings are
not used.
"""
_MAX_ENDINGS = 2000
_WORD: re.Pattern[str] = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SPACE = re.compile(r"\s+")


def learn_endings(lines: Sequence[str]) -> tuple[str, ...]:
    """Find the word endings that mark the end of a line.

    Args:
        lines: Sources of training pairs.
    Returns:
        Endings of one to three characters, none of which ends in another; none if nearly all lines
        end with punctuation.
    """
    words = [row for line in lines if (row := _WORD.findall(line))]
    bare = sum(line.rstrip()[-1:].isalnum() for line in lines)
    if not words or bare < _MIN_BARE_SHARE * len(lines):
        return ()
    endings: dict[str, int] = {}
    for length in _LENGTHS:
        last = Counter(row[-1][-length:] for row in words)
        within = Counter(word[-length:] for row in words for word in row[:-1])
        for ending, n in last.items():
            if (
                n >= _MIN_COUNT
                and within[ending] <= _MAX_WITHIN * n
                and not any(ending[-short:] in endings for short in range(1, length))
            ):
                endings[ending] = n
    return tuple(sorted(endings, key=lambda ending: (-endings[ending], ending))[:_MAX_ENDINGS])


def split_after_endings(sentences: Sequence[str], endings: frozenset[str]) -> list[str]:
    """Split sentences after words with a learned ending that no punctuation follows.

    Args:
        sentences: Each with the white space after it.
        endings: Result of `learn_endings`.
    """
    if not endings:
        return list(sentences)
    parts: list[str] = []
    for sentence in sentences:
        words = sentence.split()[:-1]
        if not any(w[-1:] in endings or w[-2:] in endings or w[-3:] in endings for w in words):
            parts.append(sentence)
            continue
        begin = 0
        for match in _SPACE.finditer(sentence):
            before = sentence[max(match.start() - max(_LENGTHS), 0) : match.start()]
            if match.end() < len(sentence) and any(
                before[-length:] in endings for length in _LENGTHS
            ):
                parts.append(sentence[begin : match.end()])
                begin = match.end()
        parts.append(sentence[begin:])
    return parts

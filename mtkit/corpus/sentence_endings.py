"""Sentence ends without punctuation, by the word endings that stand only at the end of training lines.

Languages with the verb last, such as Korean, show the end of a sentence by its last syllables, so that people leave out the
full stop: `나는 학교에 간다 그는 집에 간다` is two sentences.
"""

import re
from collections import Counter
from collections.abc import Sequence

_LENGTHS = (1, 2, 3)
"""Characters of an ending."""
_MIN_COUNT, _MAX_WITHIN = 5, 0.01
"""An ending ends this many lines or more, and stands within lines this often at most for each time that it ends one."""
_MIN_BARE_SHARE = 0.05
"""Where fewer lines than this end without punctuation, endings are not used: the text is punctuated."""
_MAX_ENDINGS = 2000
_WORD: re.Pattern[str] = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SPACE = re.compile(r"\s+")


def learn_endings(lines: Sequence[str]) -> tuple[str, ...]:
    """Find the word endings that show the end of a line.

    Args:
        lines: Sources of training pairs.
    Returns:
        Endings of one to three characters, none of which ends in another; none if nearly all lines end with punctuation.
    """
    words = [row for line in lines if (row := _WORD.findall(line))]
    bare = sum(line.rstrip()[-1:].isalnum() for line in lines)
    if not words or bare < _MIN_BARE_SHARE * len(lines):
        return ()
    found: dict[str, int] = {}
    for length in _LENGTHS:
        last = Counter(row[-1][-length:] for row in words)
        within = Counter(word[-length:] for row in words for word in row[:-1])
        for ending, n in last.items():
            if (
                n >= _MIN_COUNT
                and within[ending] <= _MAX_WITHIN * n
                and not any(ending[-short:] in found for short in range(1, length))
            ):
                found[ending] = n
    return tuple(sorted(found, key=lambda ending: (-found[ending], ending))[:_MAX_ENDINGS])


def split_after_endings(sentences: Sequence[str], endings: frozenset[str]) -> list[str]:
    """Split sentences further after words with one of some endings that no punctuation follows.

    Args:
        sentences: Each with the white space after it.
        endings: Found by `learn_endings`.
    """
    if not endings:
        return list(sentences)
    parts: list[str] = []
    for sentence in sentences:
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

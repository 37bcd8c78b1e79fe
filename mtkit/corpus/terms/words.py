"""Words of a text with their positions, and the particles that Korean adds to them."""

import re
import unicodedata
from collections.abc import Collection
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple

from mtkit.corpus.languages import base_language, word_separator

_KOREAN = frozenset({"ko", "kor"})
_CASE_PARTICLES = (
    "이 가 을 를 의 에 에서 에게 에게서 께 께서 한테 한테서 으로 로 와 과 하고 이랑 랑 "
    "이라고 라고 이라는 라는"
)
_FURTHER_PARTICLES = "은 는 도 만 까지 부터 조차 마저 밖에 보다 처럼 마다 이나 나 이란 란 요"
_COPULA = (
    "이다 다 입니다 이고 고 이며 며 인 일 이었다 였다 이에요 예요 이지만 이니까 이라면 라면 "
    "이어서 여서"
)
_SPACED = re.compile(r"[^\W_]+|\S")
_UNSPACED = re.compile(r"[0-9A-Za-z\u00c0-\u024f]+|\S")
_MAX_PARTICLE = 6
"""Maximum number of syllables of the particles after a word."""


class Word(NamedTuple):
    """A word or punctuation mark of a text."""

    text: str
    """In NFC."""
    begin: int
    """First character."""
    end: int
    """Character after the last one."""


class WordFinder:
    """Finds the words of texts of one language.

    A word is a run of letters, digits and combining marks; any other character that is not white
    space is a word too. In a language without spaces, so is each character, except within runs of
    Latin letters and digits.

    Args:
        lang: Language code.
    """

    def __init__(self, lang: str) -> None:
        self.has_spaces = bool(word_separator(lang))
        self.has_particles = base_language(lang) in _KOREAN
        self._pattern = _SPACED if self.has_spaces else _UNSPACED

    def find(self, text: str) -> list[Word]:
        """Return the words of a text."""
        words = [Word(match.group(), *match.span()) for match in self._pattern.finditer(text)]
        if text.isascii():
            return words
        if any(_is_mark(word.text[0]) for word in words):
            words = _with_marks(words)
        if unicodedata.is_normalized("NFC", text):
            return words
        return [word._replace(text=unicodedata.normalize("NFC", word.text)) for word in words]

    def may_begin_with(self, text: str, begins: Collection[str]) -> bool:
        """Return whether a word of a text, without particles perhaps, may be one of some words.

        It is a fast test before `find`, and may be wrong if it returns True.

        Args:
            text: A text.
            begins: Words in NFC with case folded.
        """
        words = self._pattern.findall(unicodedata.normalize("NFC", text))
        if not text.isascii() and any(_is_mark(word[0]) for word in words):
            return True
        for word in words:
            folded = word.casefold()
            if folded in begins:
                return True
            if self.has_particles and any(stem in begins for stem in _stems(folded)):
                return True
        return False

    def stems(self, word: str) -> list[str]:
        """Return a word without particles, the longest remainder first; none if it has no particle.

        A stem has at least one syllable. Which of them is the noun is not decided: `바나나` gives
        `바나`, too.
        """
        return list(_stems(word)) if self.has_particles else []


@lru_cache(1 << 16)
def _stems(word: str) -> tuple[str, ...]:
    particles = _particles()
    ends = range(len(word) - 1, max(0, len(word) - _MAX_PARTICLE - 1), -1)
    return tuple(word[:end] for end in ends if word[end:] in particles)


@cache
def _particles() -> frozenset[str]:
    """Return particles and their combinations, with and without the plural, and copulas."""
    combined = product(
        ("", "들"), ("", *_CASE_PARTICLES.split()), ("", *_FURTHER_PARTICLES.split())
    )
    particles = {"".join(parts) for parts in combined} | set(_COPULA.split())
    return frozenset(one for one in particles if 0 < len(one) <= _MAX_PARTICLE)


def _is_mark(char: str) -> bool:
    return char > "\u02ff" and unicodedata.category(char)[0] == "M"


def _with_marks(words: list[Word]) -> list[Word]:
    """Join combining marks, which no class of `re` matches, and letters after them to a word."""
    joined: list[Word] = []
    was_mark = False
    for word in words:
        is_mark = _is_mark(word.text[0])
        follows = joined and joined[-1].end == word.begin
        if follows and (is_mark or (was_mark and word.text[0].isalnum())):
            before = joined[-1]
            joined[-1] = Word(before.text + word.text, before.begin, word.end)
        else:
            joined.append(word)
        was_mark = is_mark
    return joined

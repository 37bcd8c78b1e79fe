"""Texts of several lines: cut into units that are translated alone, and joined again."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mtkit.corpus.languages import word_separator
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.documents.translation.placement import words_of

if TYPE_CHECKING:
    from mtkit.translation.result import Translation

MAX_CHARS = 1000
"""Maximum length of a unit; a longer line is cut between sentences."""
_LINE = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


Link = tuple[int, int, int, int]
"""A source word and a word of the translation that are aligned: begin and end of each, in
characters of the whole text.
"""


class TextUnits(NamedTuple):
    """A text, and the positions of its units. All that is between them stays as it is."""

    text: str
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str, lang: str) -> "TextUnits":
        """Cut a text at the ends of lines, and long lines between sentences.

        Args:
            text: A text of any length.
            lang: Its language.
        """
        spans: list[tuple[int, int]] = []
        for line in _LINE.finditer(text):
            begin, end = _stripped(text, line.start(), line.end())
            if begin == end:
                continue
            if end - begin <= MAX_CHARS:
                spans.append((begin, end))
            else:
                spans += _cut(text, begin, end, lang)
        return cls(text, spans)

    @property
    def texts(self) -> list[str]:
        """The units."""
        return [self.text[begin:end] for begin, end in self.spans]

    def join(self, translations: Sequence[str], tgt_lang: str) -> str:
        """Replace the units by their translations.

        Args:
            translations: One for each unit.
            tgt_lang: Their language; where a long line was cut, it decides about spaces.
        """
        return self.join_with_positions(translations, tgt_lang)[0]

    def join_with_positions(
        self, translations: Sequence[str], tgt_lang: str
    ) -> tuple[str, list[int]]:
        """Replace the units by their translations.

        Args:
            translations: See `join`.
            tgt_lang: See `join`.
        Returns:
            The text, and the position of each translation in it.
        """
        parts: list[str] = []
        begins: list[int] = []
        n_chars = 0
        end = 0
        for (begin, next_end), translation in zip(self.spans, translations, strict=True):
            gap = self.text[end:begin]
            is_in_line = end > 0 and _LINE.fullmatch(self.text, end - 1, begin + 1) is not None
            parts += [_space(gap, tgt_lang) if is_in_line else gap, translation]
            n_chars += len(parts[-2])
            begins.append(n_chars)
            n_chars += len(translation)
            end = next_end
        return "".join([*parts, self.text[end:]]), begins

    def links(
        self, begins: Sequence[int], results: "Sequence[Translation]", langs: tuple[str, str]
    ) -> tuple[Link, ...]:
        """Return the word alignments of the units as spans of the text and its translation.

        Args:
            begins: Position of each translation, from `join_with_positions`.
            results: The translations.
            langs: Language of the text, and of the translation.
        """
        links: list[Link] = []
        for (begin, _), src, tgt_begin, result in zip(
            self.spans, self.texts, begins, results, strict=True
        ):
            src_words, tgt_words = (
                words_of(text, by_character=not word_separator(lang))
                for text, lang in zip((src, result.text), langs, strict=True)
            )
            for i, j in result.alignment or ():
                if i < len(src_words) and j < len(tgt_words):
                    (src_low, src_high), (tgt_low, tgt_high) = src_words[i], tgt_words[j]
                    src_link = begin + src_low, begin + src_high
                    links.append((*src_link, tgt_begin + tgt_low, tgt_begin + tgt_high))
        return tuple(links)


def _space(gap: str, tgt_lang: str) -> str:
    """Return the space between two sentences of a line in the target language."""
    space = word_separator(tgt_lang)
    return gap if space and gap else space


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    part = text[begin:end]
    begin += len(part) - len(part.lstrip())
    return begin, begin + len(part.strip())


def _cut(text: str, begin: int, end: int, lang: str) -> list[tuple[int, int]]:
    """Return the positions of groups of sentences within a line."""
    groups: list[tuple[int, int]] = []
    position = first = begin
    for sentence in split_sentences(text[begin:end], lang):
        next_position = position + len(sentence)
        if next_position - first > MAX_CHARS and position > first:
            groups.append((first, position))
            first = position
        position = next_position
    groups.append((first, end))
    stripped = [_stripped(text, *group) for group in groups]
    return [group for group in stripped if group[0] < group[1]]

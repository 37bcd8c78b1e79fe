"""Collects the text and the inline markup of a segment while a document is read."""

import re
from array import array
from collections.abc import Sequence
from html import unescape

from mtkit.documents.segment import Code, Protected, Segment

_ENTITY = re.compile(r"&(?:#[0-9]{1,8};?|#[xX][0-9a-fA-F]{1,8};?|[A-Za-z][A-Za-z0-9]{1,31};?)")
_RUN = re.compile(r"[ \t\r\n\f]+|[^ \t\r\n\f&]+(?: [^ \t\r\n\f&]+)*|&")
"""White space, words with single spaces between them, or `&`."""
_SPACE = " \t\r\n\f"


def has_words(text: str) -> bool:
    """Return whether a text has any letters, so that there is something to translate."""
    return any(map(str.isalpha, text))


class Collector:
    """Text of one segment, with the place of each character in the document.

    White space is collapsed.

    Args:
        document: Text of the document.
        has_entities: Whether character references such as `&amp;` are resolved.
    """

    def __init__(self, document: str, *, has_entities: bool = True) -> None:
        self.document, self.has_entities = document, has_entities
        self.chars: list[str] = []
        self.begins, self.ends = array("q"), array("q")
        self.codes: list[Code] = []
        self.names: list[str] = []
        self.protected: list[Protected] = []

    def add_text(self, begin: int, end: int) -> None:
        """Add text, with white space collapsed and references resolved."""
        while begin < end:
            entity = _ENTITY.match(self.document, begin, end) if self.has_entities else None
            if entity is not None:
                chars = re.sub(f"[{_SPACE}]", " ", unescape(entity.group()))
                self.add_whole(chars, begin, entity.end())
                begin = entity.end()
                continue
            run = _RUN.match(self.document, begin, end)
            assert run is not None
            if run.group()[0] not in _SPACE:
                self.chars += run.group()
                self.begins.extend(range(begin, run.end()))
                self.ends.extend(range(begin + 1, run.end() + 1))
            else:
                self.add_space(begin, run.end())
            begin = run.end()

    def add_space(self, begin: int, end: int) -> None:
        """Add a slice of the document that is white space, or stands for it."""
        if self.chars and self.chars[-1] != " ":
            self.add_whole(" ", begin, end)
        elif self.codes and self.codes[-1].position == len(self.chars):
            # White space on both sides of a tag: the second stays with the tag.
            self.codes[-1] = self.codes[-1]._replace(end=end)
        elif self.chars:
            self.ends[-1] = end

    def add_chars(self, chars: str, begins: Sequence[int], ends: Sequence[int]) -> None:
        """Add text that is decoded already, with white space collapsed.

        Args:
            chars: The text.
            begins: First character in the document of each character.
            ends: Character after the last one, for each character.
        """
        for char, begin, end in zip(chars, begins, ends, strict=True):
            if char not in _SPACE:
                self.add_whole(char, begin, end)
            else:
                self.add_space(begin, end)

    def add_whole(self, chars: str, begin: int, end: int) -> None:
        """Add characters that all stand for one slice of the document."""
        self.chars += chars
        self.begins.extend([begin] * len(chars))
        self.ends.extend([end] * len(chars))

    def add_code(self, begin: int, end: int, name: str = "") -> None:
        """Add inline markup.

        Args:
            begin: First character in the document.
            end: Character after the last one.
            name: `b` for a start tag, `/b` for an end tag; empty for any other markup.
        """
        self.codes.append(Code(len(self.chars), begin, end))
        self.names.append(name)

    def add_protected(self, begin: int, end: int, text: str) -> None:
        """Add a slice of the document that is copied, and its text."""
        first = len(self.chars)
        self.add_whole(text, begin, end)
        self.protected.append(Protected(first, len(self.chars), self.document[begin:end], begin))

    def segment(self, *, is_attribute: bool = False) -> Segment | None:
        """Return the segment; None if it has no words to translate."""
        text = "".join(self.chars)
        edges = [0, *(edge for one in self.protected for edge in one[:2]), len(text)]
        if not any(has_words(text[b:e]) for b, e in zip(edges[::2], edges[1::2], strict=True)):
            return None
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        codes = self._codes_with_space(first, last)
        begin, end = self.begins[first], self.ends[last - 1]
        if codes:
            begin, end = min(begin, codes[0].begin), max(end, codes[-1].end)
        protected = [
            one._replace(begin=one.begin - first, end=one.end - first) for one in self.protected
        ]
        return Segment(
            text[first:last],
            begin,
            end,
            _paired(codes, self.names),
            tuple(protected),
            is_attribute=is_attribute,
        )

    def _codes_with_space(self, first: int, last: int) -> list[Code]:
        """Return the codes; those around the text include the white space between them and it."""
        codes = list(self.codes)
        for index in reversed(range(len(codes))):
            if codes[index].position > first:
                continue
            is_next = index + 1 < len(codes) and codes[index + 1].position <= first
            end = codes[index + 1].begin if is_next else self.begins[first]
            if not self.document[codes[index].end : end].strip(_SPACE):
                codes[index] = codes[index]._replace(end=end)
        for index, code in enumerate(codes):
            if code.position > last:
                is_next = index > 0 and codes[index - 1].position >= last
                begin = codes[index - 1].end if is_next else self.ends[last - 1]
                if not self.document[begin : code.begin].strip(_SPACE):
                    codes[index] = code._replace(begin=begin)
        return [
            code._replace(position=min(max(code.position - first, 0), last - first))
            for code in codes
        ]


def _paired(codes: Sequence[Code], names: Sequence[str]) -> tuple[Code, ...]:
    """Set the partners of codes so that pairs are properly nested.

    Args:
        codes: Tags in order.
        names: `b` for a start tag, `/b` for an end tag, an empty name for any other code.
    """
    partners: dict[int, int] = {}
    open_tags: list[int] = []
    n_open: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name.startswith("/"):
            if name:
                open_tags.append(index)
                n_open[name] = n_open.get(name, 0) + 1
        elif n_open.get(name[1:]):
            while True:  # tags that are still open within the pair stay alone
                last = open_tags.pop()
                n_open[names[last]] -= 1
                if names[last] == name[1:]:
                    break
            partners[last], partners[index] = index, last
    return tuple(code._replace(partner=partners.get(index)) for index, code in enumerate(codes))

"""Sources of XLIFF and TMX: text with inline codes."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mtkit.documents.exchange.units import Plain, SegmentReader, UnitDocument
from mtkit.documents.protect import Protector
from mtkit.documents.segment import Segment
from mtkit.documents.xml_tokens import (
    CDATA_END,
    CDATA_START,
    Token,
    child_elements,
    escape,
    local_name,
    token_text,
    unescape,
    without_invalid,
)

_PAIRS = frozenset("g pc mrk hi".split())
"""Elements around text."""
_OPENING = {"bpt": ("i", "rid", "id"), "bx": ("rid", "id"), "sc": ("id",), "sm": ("id",)}
_CLOSING = {
    "ept": ("i", "rid", "id"),
    "ex": ("rid", "id"),
    "ec": ("startRef",),
    "em": ("startRef",),
}
"""Halves of pairs, and the attributes that are equal for both halves."""
_SHOWN = ("equiv-text", "equiv", "disp")
"""Attributes with the text that a code stands for."""
_RUN = re.compile(r"&[^;]*;|\r\n|[^&\r]+|\r")
_PLACEHOLDERS = Protector()


def plain_xml(document: str, begin: int, end: int) -> Plain:
    """Return the text of a slice of XML without tags."""
    chars: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    for match in _RUN.finditer(document, begin, end):
        run, (first, last) = match.group(), match.span()
        if run[0] in "&\r":
            chars.append(unescape(run))
            begins.append(first)
            ends.append(last)
        else:
            chars.append(run)
            begins.extend(range(first, last))
            ends.extend(range(first + 1, last + 1))
    return Plain("".join(chars), begins, ends)


class InlineReader:
    """Reads segments from elements with text and inline codes.

    Args:
        text: The document.
        tokens: Its tokens.
        ends: Their `matching_ends`.
    """

    def __init__(self, text: str, tokens: Sequence[Token], ends: Sequence[int]) -> None:
        self.text, self.tokens, self.ends = text, tokens, ends
        self._subflows: list[Segment] = []
        self._mark_ends: dict[str | None, int] = {}
        """Index of each `em` in the element that is read, by the mark that it ends."""

    def read(self, index: int, *, keeps_lines: bool) -> list[Segment]:
        """Return the segments of an element, and those of subflows within its codes.

        Args:
            index: Index of its start tag.
            keeps_lines: Whether line breaks are more than white space.
        """
        reader = SegmentReader(self.text, keeps_lines=keeps_lines)
        self._mark_ends = {
            self.tokens[one].attributes.get("startRef"): one
            for one in range(index, self.ends[index])
            if local_name(self.tokens[one]) == "em"
        }
        self._read_content(index, reader)
        reader.flush()
        subflows, self._subflows = self._subflows, []
        return [*reader.segments, *subflows]

    def has_text(self, index: int) -> bool:
        """Return whether an element contains anything but white space and empty marks."""
        content = range(index + 1, self.ends[index])
        return any(
            self.tokens[one].kind in ("text", "cdata")
            and bool(token_text(self.text, self.tokens[one]).strip())
            for one in content
        )

    def _read_content(self, index: int, reader: SegmentReader) -> None:
        position, stop = index + 1, self.ends[index]
        while position < stop:
            token = self.tokens[position]
            if token.kind == "text":
                reader.add_plain(plain_xml(self.text, token.begin, token.end))
            elif token.kind == "cdata":
                self._add_cdata(token, reader)
            elif token.kind in ("comment", "pi"):
                reader.add_code(token.begin, token.end)
            elif last := self._last_of_protected(position, stop):
                self._add_protected(position, last, reader)
                position = last
            else:
                self._read_element(position, reader)
            position = self.ends[position] + 1

    def _read_element(self, index: int, reader: SegmentReader) -> None:
        token, end = self.tokens[index], self.tokens[self.ends[index]]
        name = local_name(token)
        if name == "mrk" and token.attributes.get("mtype") == "seg":
            reader.flush()
            self._read_content(index, reader)
            reader.flush()
        elif name in _PAIRS and token.kind == "start":
            reader.add_code(token.begin, token.end, name)
            self._read_content(index, reader)
            reader.add_code(end.begin, end.end, f"/{name}")
        else:
            self._add_code(index, name, reader)

    def _last_of_protected(self, index: int, stop: int) -> int | None:
        """Return the last token of a part that is marked as not to be translated."""
        token = self.tokens[index]
        name = local_name(token)
        is_kept = token.attributes.get("translate") == "no"
        if name == "mrk" and (is_kept or token.attributes.get("mtype") == "protected"):
            return self.ends[index]
        if name == "sm" and is_kept:
            last = self._mark_ends.get(token.attributes.get("id"), 0)
            return last if index < last < stop else None
        return None

    def _add_protected(self, index: int, last: int, reader: SegmentReader) -> None:
        begin, end = self.tokens[index].begin, self.tokens[last].end
        text = " ".join(self._text(index, last).split())
        if text:
            reader.add_protected(begin, end, text)
        else:
            reader.add_code(begin, end)

    def _add_code(self, index: int, name: str, reader: SegmentReader) -> None:
        """Add a code that does not enclose text of the segment."""
        token, last = self.tokens[index], self.ends[index]
        begin, end = token.begin, self.tokens[last].end
        self._read_subflows(index)
        opening, closing = _key(token, _OPENING.get(name)), _key(token, _CLOSING.get(name))
        if opening or closing:
            reader.add_code(begin, end, f"#{opening}" if opening else f"/#{closing}")
            return
        shown = [token.attributes.get(name, "") for name in _SHOWN] + [self._text(index, last)]
        placeholder = next((one for one in shown if _is_placeholder(one)), None)
        if placeholder:
            reader.add_protected(begin, end, placeholder)
        else:
            reader.add_code(begin, end)

    def _read_subflows(self, index: int) -> None:
        """Read the text of `sub` elements, which a code contains."""
        for child in child_elements(self.tokens, self.ends, index):
            if local_name(self.tokens[child]) == "sub":
                reader = SegmentReader(self.text, keeps_lines=False)
                self._read_content(child, reader)
                reader.flush()
                self._subflows += [replace(one, is_attribute=True) for one in reader.segments]

    def _text(self, index: int, last: int) -> str:
        tokens = self.tokens[index : last + 1]
        return "".join(
            token_text(self.text, one) for one in tokens if one.kind in ("text", "cdata")
        )

    def _add_cdata(self, token: Token, reader: SegmentReader) -> None:
        if reader.is_within_codes:
            reader.add_protected(token.begin, token.end, token_text(self.text, token))
            return
        begin, end = token.begin + len(CDATA_START), token.end - len(CDATA_END)
        reader.flush()
        content = self.text[begin:end]
        reader.add_plain(Plain(content, range(begin, end), range(begin + 1, end + 1)))
        reader.flush()


def _key(token: Token, names: tuple[str, ...] | None) -> str | None:
    """Return the value of an attribute that both halves of a pair have."""
    return next(filter(None, (token.attributes.get(name) for name in names or ())), None)


def _is_placeholder(text: str) -> bool:
    return bool(text) and _PLACEHOLDERS.spans(text) == [(0, len(text))]


def line_before(text: str, tokens: Sequence[Token], index: int) -> str:
    """Return the line break and the indent before a tag; empty if something else is before it."""
    before = tokens[index - 1]
    space = text[before.begin : before.end] if before.kind == "text" else ""
    lines = space.rpartition("\n")
    if space.strip() or not lines[1]:
        return ""
    return ("\r\n" if lines[0].endswith("\r") else "\n") + lines[2]


@dataclass
class XmlUnitDocument(UnitDocument):
    """A document of units in XML."""

    tokens: list[Token] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The `matching_ends` of the tokens."""

    encoding_errors = "xmlcharrefreplace"

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text as it is written in XML, or in the CDATA section that a segment is in."""
        index = bisect_right(self._cdata, segment.begin, key=lambda token: token.begin) - 1
        if (
            index >= 0
            and segment.begin < self._cdata[index].end
            and self._cdata[index].begin < segment.begin
        ):
            return without_invalid(text).replace(CDATA_END, "]]]]><![CDATA[>")
        return escape(text)

    @cached_property
    def _cdata(self) -> list[Token]:
        return [token for token in self.tokens if token.kind == "cdata"]

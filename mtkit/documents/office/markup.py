"""XML with text between inline tags, as in OpenDocument and EPUB."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mtkit.documents.collector import Collector
from mtkit.documents.office.part_reader import PartReader
from mtkit.documents.office.ranges import range_of, with_ranges_in_order
from mtkit.documents.segment import Document, Edit, Segment, Translated
from mtkit.documents.xml_tokens import escape

_TAG = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"""
    r"""|<(?P<end>/?)(?P<name>[^\s/>!?]+)(?:[^>"'/]|"[^"]*"|'[^']*'|/(?!>))*(?P<empty>/?)>""",
    re.DOTALL,
)


class MarkupDocument(Document):
    """A part in XML. A translation is written only if the part remains well-formed."""

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text for XML, or for the attribute that a segment is."""
        return escape(text, self.text[segment.begin - 1] if segment.is_attribute else "")

    def edits(self, translated: Translated, inner: Sequence[Edit]) -> list[Edit]:
        """Return the changes that write a translation."""
        pieces = with_ranges_in_order(translated.pieces, self.text)
        return super().edits(Translated(translated.segment, pieces), inner)

    def fits(self, translated: Translated) -> bool:
        """Return whether tags whose partner is elsewhere are the same, in the same order."""
        segment = translated.segment
        before = self.text[segment.begin : segment.end]
        after = "".join(edit.text for edit in self.edits(translated, []))
        return unpaired_tags(before) == unpaired_tags(after)


def unpaired_tags(xml: str) -> list[str]:
    """Return the names of the tags without a partner in a part of a document, in order."""
    unpaired: list[str] = []
    for match in _TAG.finditer(xml):
        name = match["name"]
        if name is None or match["empty"]:
            continue
        if not match["end"]:
            unpaired.append(name)
        elif unpaired and unpaired[-1] == name:
            unpaired.pop()
        else:
            unpaired.append(f"/{name}")
    return unpaired


class Markup(NamedTuple):
    """Names of the elements of a markup language; any other one in a paragraph is copied."""

    paragraphs: frozenset[str]
    pairs: frozenset[str] = frozenset()
    """Elements within a paragraph whose tags are codes."""
    breaks: frozenset[str] = frozenset()
    """Elements that end a segment."""
    spaces: frozenset[str] = frozenset()
    """Elements that stand for white space."""
    dropped: frozenset[str] = frozenset()
    """Elements without meaning, which a translation does not keep."""
    skipped: frozenset[str] = frozenset()
    """Elements around paragraphs that are not translated."""


class MarkupReader(PartReader):
    """Collects the segments of a part in XML.

    Args:
        text: The part.
        where: Its name in errors.
        markup: Names of its elements.
    """

    def __init__(self, text: str, where: str, markup: Markup) -> None:
        super().__init__(MarkupDocument(text), where)
        self.markup = markup
        self.collector = Collector(text)
        self.divided_ends: set[int] = set()
        """Indices of the end tags of elements that are in several segments."""

    def is_skipped(self, index: int) -> bool:
        """Return whether an element is not translated."""
        return self.names[index] in self.markup.skipped

    def scan(self, index: int) -> int:
        """Read a token outside paragraphs, and return the index of the next one."""
        if self.tokens[index].kind != "start":
            return index + 1
        if self.is_skipped(index):
            return self.ends[index] + 1
        if self.names[index] not in self.markup.paragraphs:
            return index + 1
        end = self.ends[index]
        inner = index + 1
        while inner < end:
            inner = self.read_token(inner)
        self._flush()
        return end + 1

    def read_token(self, index: int) -> int:
        """Read a token within a paragraph, and return the index of the next one."""
        token, name, markup = self.tokens[index], self.names[index], self.markup
        if token.kind == "text":
            self.collector.add_text(token.begin, token.end)
        elif name in markup.pairs:
            self._read_tag(index)
        elif name in markup.breaks:
            self._flush()
            return self.ends[index] + 1
        elif name in markup.spaces:
            end = self.tokens[self.ends[index]].end
            self.collector.add_space(token.begin, end)
            return self.ends[index] + 1
        elif name not in markup.dropped:
            self._add_copied(index)
            return self.ends[index] + 1
        return index + 1

    def _read_tag(self, index: int) -> None:
        """Read a tag within a paragraph; one whose partner is in another segment is no code."""
        token, name = self.tokens[index], self.names[index]
        if self.has_breaks(index):
            self.divided_ends.add(self.ends[index])
            self._flush()
        elif index in self.divided_ends:
            self._flush()
        else:
            names = {"start": name, "end": f"/{name}"}
            self.collector.add_code(token.begin, token.end, names.get(token.kind, ""))

    def has_breaks(self, index: int) -> bool:
        """Return whether an element is in several segments."""
        return not self.markup.breaks.isdisjoint(self.names[index : self.ends[index]])

    def _add_copied(self, index: int) -> None:
        """Add an element that is copied; paragraphs in it are read later."""
        last = self.ends[index]
        begin, end = self.tokens[index].begin, self.tokens[last].end
        inside = range(index + 1, last)
        collector = Collector(self.text)
        for i in inside:
            if self.tokens[i].kind == "text":
                collector.add_text(self.tokens[i].begin, self.tokens[i].end)
        text = "".join(collector.chars).strip()
        if text and not any(self.names[i] in self.markup.paragraphs for i in inside):
            self.collector.add_protected(begin, end, text)
            return
        name = ""
        if (mark := range_of(self.text[begin:end])) is not None:
            name = f"/{mark[0]}" if mark[1] else mark[0]
        self.collector.add_code(begin, end, name)
        self.pending.append((index, last))

    def _flush(self) -> None:
        """End the current segment."""
        if segment := self.collector.segment():
            self.add_segment(segment)
        self.collector = Collector(self.text)

    def add_segment(self, segment: Segment) -> None:
        """Add a segment to the document."""
        self.document.segments.append(segment)

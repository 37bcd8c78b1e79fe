"""HTML pages: block elements separate segments, inline elements are codes."""

import re
from html import unescape
from typing import Self

from mtkit.documents.collector import Collector
from mtkit.documents.html_tokens import Token, tokenize
from mtkit.documents.segment import Document, Segment

INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite data del dfn em font i img ins label mark nobr output q rb"
    " rp rt ruby s slot small span strike strong sub sup time tt u wbr".split()
)
"""Elements within a sentence."""
_COPIED = frozenset("code kbd samp var svg math".split())
"""Inline elements that are copied with all that they contain."""
_SKIPPED = frozenset("pre script style xmp iframe noembed noframes textarea".split())
"""Block elements that are copied."""
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""Elements without content, which have no end tag."""
_TRANSLATED_ATTRIBUTES = frozenset("alt title placeholder aria-label label".split())
_DESCRIPTIONS = frozenset(
    "description og:title og:description twitter:title twitter:description".split()
)
"""Names of `meta` elements whose content is translated."""
_TAG = re.compile("<[^<>]*>")
_SPACE = " \t\r\n\f"


class HtmlDocument(Document):
    """A page of HTML or XHTML."""

    encoding_errors = "xmlcharrefreplace"

    @classmethod
    def parse(cls, text: str, *, is_xml: bool = False) -> Self:
        """Read the segments of a page.

        Args:
            text: The page.
            is_xml: Whether it is XHTML, in which any tag may be empty.
        """
        tokens = list(tokenize(text, is_xml=is_xml))
        document = cls(text)
        document.segments = _Reader(text, tokens, is_xml).read()
        return document

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text with references for the characters of markup."""
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        text = text.replace("\u00a0", "&nbsp;")
        if segment.is_attribute:
            before = segment.begin - 1
            while self.text[before] in _SPACE:
                before -= 1
            quote = self.text[before]
            if quote not in ("'", '"'):  # a value without quotation marks
                return '"' + text.replace('"', "&quot;") + '"'
            text = text.replace(quote, "&quot;" if quote == '"' else "&#39;")
        return text


class _Reader:
    """Collects the segments of a page."""

    def __init__(self, page: str, tokens: list[Token], is_xml: bool) -> None:
        self.page, self.tokens, self.is_xml = page, tokens, is_xml
        self.collector = Collector(page)
        self.segments: list[Segment] = []
        self.ends = self._matching_ends()

    def read(self) -> list[Segment]:
        """Return the segments in the order of their beginnings."""
        index = 0
        while index < len(self.tokens):
            index = self._read_token(index)
        self._flush()
        return sorted(self.segments, key=lambda segment: segment.begin)

    def _read_token(self, index: int) -> int:
        """Read a token, or a copied element, and return the index of the next token."""
        token = self.tokens[index]
        if token.kind == "text":
            self.collector.add_text(token.begin, token.end)
        elif token.kind == "other":
            if token.name == "title":
                self._flush()
                self.collector.add_text(token.begin, token.end)
                self._flush()
            elif token.name or self.page.startswith("<!DOCTYPE", token.begin):
                self._flush()
            else:
                self._add_tag(token)
        elif token.kind == "start" and (token.name in _COPIED | _SKIPPED or self._is_kept(token)):
            return self._copy(index)
        else:
            if token.kind == "start":
                self._read_attributes(token)
            if token.name in INLINE:
                self._add_tag(token)
            else:
                self._flush()
        return index + 1

    def _copy(self, index: int) -> int:
        """Copy an element, and return the index of the token after it."""
        token = self.tokens[index]
        last = index if self._is_void(token) else self.ends.get(index)
        is_closed = last is not None
        if last is None:  # an element without an end tag ends at the next block
            last = index
            while last + 1 < len(self.tokens) and not self._is_block(self.tokens[last + 1]):
                last += 1
        if token.name not in INLINE | _COPIED or token.name in _SKIPPED:
            self._flush()
            return last + 1
        end = self.tokens[last]
        content = token.end, (end.begin if is_closed and last > index else end.end)
        self._add_copied(token.begin, end.end, content)
        return last + 1

    def _is_block(self, token: Token) -> bool:
        return token.kind in ("start", "end") and token.name not in INLINE | _COPIED

    def _is_kept(self, token: Token) -> bool:
        """Return whether an element is marked as not to be translated."""
        values = {one.name: self.page[one.begin : one.end].lower() for one in token.attributes}
        return values.get("translate") == "no" or "notranslate" in values.get("class", "").split()

    def _read_attributes(self, token: Token) -> None:
        values = {one.name: self.page[one.begin : one.end].lower() for one in token.attributes}
        is_description = token.name == "meta" and (
            values.get("name", values.get("property")) in _DESCRIPTIONS
        )
        for one in token.attributes:
            if one.name in _TRANSLATED_ATTRIBUTES or (is_description and one.name == "content"):
                collector = Collector(self.page)
                collector.add_text(one.begin, one.end)
                if segment := collector.segment(is_attribute=True):
                    self.segments.append(segment)

    def _add_tag(self, token: Token) -> None:
        """Add an inline tag or a comment."""
        name = ""
        is_empty = token.name in VOID or self.page[token.end - 2] == "/"
        if token.kind in ("start", "end") and not is_empty:
            name = token.name if token.kind == "start" else f"/{token.name}"
        self.collector.add_code(token.begin, token.end, name)

    def _add_copied(self, begin: int, end: int, content: tuple[int, int]) -> None:
        """Add an element that is copied; one without text is a tag."""
        text = " ".join(unescape(_TAG.sub(" ", self.page[slice(*content)])).split())
        if text:
            self.collector.add_protected(begin, end, text)
        else:
            self.collector.add_code(begin, end)

    def _flush(self) -> None:
        """End the current segment."""
        if segment := self.collector.segment():
            self.segments.append(segment)
        self.collector = Collector(self.page)

    def _is_void(self, token: Token) -> bool:
        """Return whether a start tag is that of an element without content."""
        return token.name in VOID or (self.is_xml and self.page[token.end - 2] == "/")

    def _matching_ends(self) -> dict[int, int]:
        """Return the index of the end tag of each start tag that has one."""
        ends: dict[int, int] = {}
        open_tags: dict[str, list[int]] = {}
        for index, token in enumerate(self.tokens):
            if token.kind == "start" and not self._is_void(token):
                open_tags.setdefault(token.name, []).append(index)
            elif token.kind == "end" and open_tags.get(token.name):
                ends[open_tags[token.name].pop()] = index
        return ends

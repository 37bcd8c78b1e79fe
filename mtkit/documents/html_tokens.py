"""Tokens of HTML with their exact offsets, by the WHATWG HTML standard, section 13.2.5.

The time is linear in the length of the page, whatever it contains.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_TAG_START = re.compile(r"<(?=[a-zA-Z/!?])")
_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_BEFORE_ATTRIBUTE = re.compile(r"[\s/]*")
_ATTRIBUTE = re.compile(r"=?[^\s/>=]*")
_EQUALS = re.compile(r"\s*=\s*")
_UNQUOTED = re.compile(r"[^\s>]*")
_RAW_TEXT = frozenset("script style textarea title xmp iframe noembed noframes".split())
"""Elements without tags in them."""


class Attribute(NamedTuple):
    """Attribute of a start tag."""

    name: str
    """In lower case."""
    begin: int
    """First character of its value, without the quotation mark."""
    end: int
    """Character after its value."""
    quote: str
    """Quotation mark around the value; empty if it has none."""


class Token(NamedTuple):
    """Part of a page."""

    kind: Literal["text", "start", "end", "other"]
    """`other` is a comment, a declaration, raw text such as a script, or an unfinished tag."""
    begin: int
    end: int
    name: str = ""
    """Name of the tag in lower case; for raw text, the name of its element."""
    attributes: tuple[Attribute, ...] = ()


def tokenize(page: str, *, is_xml: bool = False) -> Iterator[Token]:
    """Yield the tokens of a page in order; together they are the whole page.

    Args:
        page: The page.
        is_xml: Whether it is XHTML, in which `<script/>` is an element without content.
    """
    position = 0
    while position < len(page):
        match = _TAG_START.search(page, position)
        begin = match.start() if match else len(page)
        if begin > position:
            yield Token("text", position, begin)
        if match is None:
            return
        token = _markup(page, begin)
        yield token
        position = token.end
        is_empty = is_xml and page[token.end - 2] == "/"
        if token.kind == "start" and token.name in _RAW_TEXT and not is_empty:
            end = _end_of_raw_text(page, position, token.name)
            if end > position:
                yield Token("other", position, end, token.name)
            position = end


def _markup(page: str, begin: int) -> Token:
    if page.startswith("<!--", begin):
        return Token("other", begin, _end_of_comment(page, begin + 4))
    is_end = page.startswith("</", begin)
    name = _NAME.match(page, begin + 1 + is_end)
    if name is None:  # a declaration, or a bogus comment
        if page.startswith("<![CDATA[", begin):
            return Token("other", begin, _after(page, "]]>", begin))
        return Token("other", begin, _after(page, ">", begin))
    attributes: list[Attribute] = []
    position = name.end()
    while True:
        position = _end(_BEFORE_ATTRIBUTE, page, position)
        if position >= len(page):  # an unfinished tag
            return Token("other", begin, len(page))
        if page[position] == ">":
            kind = "end" if is_end else "start"
            return Token(kind, begin, position + 1, name.group().lower(), tuple(attributes))
        position = _attribute(page, position, attributes)


def _attribute(page: str, begin: int, attributes: list[Attribute]) -> int:
    """Read an attribute, and return the position after it."""
    end = _end(_ATTRIBUTE, page, begin)
    name = page[begin:end].lower()
    equals = _EQUALS.match(page, end)
    if equals is None:
        attributes.append(Attribute(name, end, end, ""))
        return end
    value = equals.end()
    quote = page[value : value + 1]
    if quote not in ("'", '"'):
        end = _end(_UNQUOTED, page, value)
        attributes.append(Attribute(name, value, end, ""))
        return end
    end = page.find(quote, value + 1)
    if end < 0:
        return len(page)
    attributes.append(Attribute(name, value + 1, end, quote))
    return end + 1


def _end(pattern: re.Pattern[str], page: str, position: int) -> int:
    match = pattern.match(page, position)
    return match.end() if match else position


def _end_of_comment(page: str, position: int) -> int:
    for early in (">", "->"):
        if page.startswith(early, position):
            return position + len(early)
    match = re.compile("--!?>").search(page, position)
    return match.end() if match else len(page)


def _after(page: str, mark: str, position: int) -> int:
    end = page.find(mark, position)
    return end + len(mark) if end >= 0 else len(page)


def _end_of_raw_text(page: str, position: int, name: str) -> int:
    match = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(page, position)
    return match.start() if match else len(page)

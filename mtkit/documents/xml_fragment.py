"""Fragments of XML, such as texts with tags of an editor: no element has a known meaning."""

from collections.abc import Sequence
from typing import NamedTuple

from mtkit.documents.collector import Collector
from mtkit.documents.segment import Document, Segment
from mtkit.documents.xml_tokens import Token, escape, matching_ends, tokenize, unescape

_ROOT = "<x>", "</x>"


class XmlTags(NamedTuple):
    """Roles of elements, by name."""

    splitting: frozenset[str] = frozenset()
    """Elements that separate segments."""
    non_splitting: frozenset[str] = frozenset()
    """Elements that do not, whatever they contain."""
    ignored: frozenset[str] = frozenset()
    """Elements that are copied with all that they contain."""
    outline: bool = True
    """Whether elements next to which there is no text, but only other elements, separate segments,
    as the paragraphs of a section do."""


class XmlFragment(Document):
    """A fragment of XML, with any number of elements at the top."""

    @classmethod
    def parse(cls, text: str, tags: XmlTags = XmlTags()) -> "XmlFragment":
        """Read the segments of a fragment.

        Args:
            text: The fragment.
            tags: Roles of elements; the others are inline.
        Raises:
            MtkitError: It is not well-formed; see `tokenize`.
        """
        shift = len(_ROOT[0])
        tokens = [
            token._replace(begin=token.begin - shift, end=token.end - shift)
            for token in tokenize(text.join(_ROOT), "text")
        ]
        document = cls(text)
        document.segments = _read(text, tokens, tags)
        return document

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text with references for the characters of markup."""
        return escape(text)


def _read(text: str, tokens: Sequence[Token], tags: XmlTags) -> list[Segment]:
    """Collect the segments between the tags of the root."""
    segments: list[Segment] = []
    collector = Collector(text)
    ends = matching_ends(tokens)
    splits = _splitting(text, tokens, ends, tags)

    def flush() -> None:
        nonlocal collector
        if segment := collector.segment():
            segments.append(segment)
        collector = Collector(text)

    index = 1
    while index < len(tokens) - 1:
        token = tokens[index]
        if token.kind == "text":
            collector.add_text(token.begin, token.end)
        elif splits[index]:
            flush()
            index = ends[index] if token.name in tags.ignored else index
        elif token.kind in ("start", "empty") and token.name in tags.ignored:
            _add_copied(collector, text, tokens[index : ends[index] + 1])
            index = ends[index]
        elif token.kind in ("start", "end"):
            name = token.name if token.kind == "start" else f"/{token.name}"
            collector.add_code(token.begin, token.end, name)
        else:
            collector.add_code(token.begin, token.end)
        index += 1
    flush()
    return segments


def _add_copied(collector: Collector, text: str, element: Sequence[Token]) -> None:
    """Add the tokens of an element that is copied; one without text is a tag."""
    begin, end = element[0].begin, element[-1].end
    words = " ".join(
        unescape(text[token.begin : token.end]) for token in element if token.kind == "text"
    )
    if words := " ".join(words.split()):
        collector.add_protected(begin, end, words)
    else:
        collector.add_code(begin, end)


def _splitting(
    text: str, tokens: Sequence[Token], ends: Sequence[int], tags: XmlTags
) -> list[bool]:
    """Return whether each token is a tag of an element that separates segments."""
    parents: list[int] = []
    parent_of = [0] * len(tokens)
    has_text = [False] * len(tokens)
    for index, token in enumerate(tokens):
        if token.kind == "end":
            parents.pop()
        parent_of[index] = parents[-1] if parents else 0
        if token.kind == "start":
            parents.append(index)
        elif token.kind in ("text", "cdata") and text[token.begin : token.end].strip():
            has_text[parent_of[index]] = True
    splits = [False] * len(tokens)
    for index, token in enumerate(tokens[1:-1], 1):
        if token.kind not in ("start", "empty") or token.name in tags.non_splitting:
            continue
        is_outline = tags.outline and not has_text[parent_of[index]]
        if token.name in tags.splitting or is_outline:
            splits[index] = splits[ends[index]] = True
    return splits

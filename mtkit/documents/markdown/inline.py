"""Inline markup of a paragraph of Markdown, with its offsets, which markdown-it does not report."""

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from mtkit.documents.html import VOID

Kind = Literal["open", "close", "empty", "copied", "char", "soft break", "hard break"]
_COPIED = re.compile(
    r"\$\$[^$]+\$\$"
    r"|(?<![\\$\w])\$(?![\s$])[^$\n]{1,300}(?<![\s\\])\$(?![\w$])"  # $x$, not $5 and $6
    r"|\\\([^\n]{1,300}?\\\)|\A\\\[[^\]]+\\\]\Z"
    r"|\[\^[^\]\s]{1,100}\]|\{%[^\n]{0,500}?%\}|\{\{[^\n]{0,500}?\}\}"
)
"""Mathematics, marks of footnotes, and tags of template languages."""
_AT_START = re.compile(
    r"\[[ xX]\](?=\s)|\[![A-Za-z]{1,20}\][ \t]*(?:\n|$)|\[\^[^\]\s]{1,100}\]:[ \t]*"
)
"""The box of a task; the kind of an alert; the mark of a footnote."""
_FENCE = re.compile(r"^[ \t]*:::[^\n]*(?:\n|\Z)", re.MULTILINE)
"""A line that opens or closes a container."""
_HTML_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)")
_KEPT_ELEMENTS = frozenset("code kbd samp var svg math script style".split())
_EMPHASIS = {"em": "em", "strong": "strong", "s": "s"}


class Construct(NamedTuple):
    """Markup in a paragraph."""

    begin: int
    end: int
    kind: Kind
    name: str = ""
    """Name of a pair; the text of a character that is escaped."""


class Image(NamedTuple):
    """Description of an image within a construct."""

    begin: int
    end: int


class Inline(NamedTuple):
    """Markup of a paragraph."""

    constructs: list[Construct]
    """In order and without overlaps; the text between them is plain."""
    images: list[Image]
    """Descriptions that are not the name of a link."""
    labels: dict[int, str]
    """Names of links such as `[text]` and `[text][]`, by the beginning of what follows the text."""


class InlineParser:
    """Parses paragraphs.

    Args:
        references: Definitions of links, as the parser of blocks has found them.
    """

    def __init__(self, references: dict[str, Any]) -> None:
        self.references = references
        self.parser = new_parser()
        for name in self.parser.inline.ruler.get_all_rules():
            if name not in ("text", "linkify"):
                self._record(name)
        self.owner: StateInline | None = None
        self.found: list[tuple[Construct, Any]] = []
        self.images: list[Image] = []
        self.labels: dict[int, str] = {}

    def parse(self, content: str, *, is_paragraph: bool = True) -> Inline:
        """Parse the content of a paragraph, a heading or a cell.

        Args:
            content: Its text, without the prefixes of its lines.
            is_paragraph: Whether it can be a task, an alert or the line of a container.
        """
        self.found, self.images, self.labels = [], [], {}
        state = StateInline(content, self.parser, {"references": self.references}, [])
        self.owner = state
        self.parser.inline.tokenize(state)
        for rule in self.parser.inline.ruler2.getRules(""):
            if rule.__name__ != "fragments_join":
                rule(state)
        constructs = sorted(filter(None, (_resolved(*one) for one in self.found)))
        copied = [Construct(*match.span(), "copied") for match in _COPIED.finditer(content)]
        special: list[Construct] = []
        if is_paragraph:
            special = [Construct(*m.span(), "hard break") for m in _FENCE.finditer(content)]
            if match := _AT_START.match(content):
                special.append(Construct(*match.span(), "empty"))
        merged = _without_overlaps(sorted([*special, *copied, *constructs], key=_order))
        return Inline(_with_kept_elements(content, merged), self.images, self.labels)

    def _record(self, name: str) -> None:
        """Make a rule of markdown-it record where it has matched."""
        ruler = self.parser.inline.ruler
        index = ruler.__find__(name)
        rule = ruler.__rules__[index].fn
        recorders: dict[str, Callable[[StateInline, int, list[Any]], None]] = {
            "emphasis": self._delimiters,
            "strikethrough": self._delimiters,
            "link": self._link,
            "image": self._image,
        }
        record = recorders.get(name, self._other)

        def recording(state: StateInline, silent: bool) -> bool:
            if silent or state is not self.owner:
                return rule(state, silent)
            begin, first, was_pending = state.pos, len(state.tokens), bool(state.pending)
            matches = rule(state, silent)
            if matches:  # the text before it may have become a token, too
                tokens = state.tokens[first:]
                is_first = not (was_pending and tokens and tokens[0].type == "text")
                record(state, begin, tokens if is_first else tokens[1:])
            return matches

        ruler.at(name, recording)

    def _add(self, begin: int, end: int, kind: Kind, name: str = "", token: Any = None) -> None:
        self.found.append((Construct(begin, end, kind, name), token))

    def _other(self, state: StateInline, begin: int, tokens: list[Any]) -> None:
        """Record a character, a break, code, an address or a tag."""
        if not tokens:
            return
        end, token = state.pos, tokens[0]
        if token.type == "softbreak":
            self._add(begin, end, "soft break")
        elif token.type == "hardbreak":
            while begin > 0 and state.src[begin - 1] == " ":
                begin -= 1
            self._add(begin, end, "hard break")
        elif token.type in ("text_special", "text"):
            self._add(begin, end, "char", token.content)
        elif token.type == "html_inline":
            match = _HTML_TAG.match(token.content)
            if match is None or match[2].lower() in VOID or token.content.endswith("/>"):
                self._add(begin, end, "empty")
            else:
                self._add(begin, end, "close" if match[1] else "open", f"<{match[2].lower()}")
        else:
            self._add(begin, end, "copied")

    def _delimiters(self, state: StateInline, begin: int, tokens: list[Any]) -> None:
        """Record delimiters, which become markup later, or text."""
        for token in tokens:
            self._add(begin, begin + len(token.content), "open", "", token)
            begin += len(token.content)

    def _link(self, state: StateInline, begin: int, tokens: list[Any]) -> None:
        end_of_text = state.md.helpers.parseLinkLabel(state, begin, True)
        self._add(begin, begin + 1, "open", "a")
        self._add(end_of_text, state.pos, "close", "a")
        if state.src[end_of_text + 1 : state.pos] in ("", "[]"):
            self.labels[end_of_text] = state.src[begin + 1 : end_of_text]

    def _image(self, state: StateInline, begin: int, tokens: list[Any]) -> None:
        end_of_text = state.md.helpers.parseLinkLabel(state, begin + 1, False)
        self._add(begin, state.pos, "empty")
        if state.src[end_of_text + 1 : state.pos] not in ("", "[]"):
            self.images.append(Image(begin + 2, end_of_text))


def new_parser() -> MarkdownIt:
    """Make a parser of CommonMark with tables and strikethrough."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _resolved(construct: Construct, token: Any) -> Construct | None:
    """Return a delimiter as markup; None if it is text."""
    if token is None:
        return construct
    name, _, side = token.type.partition("_")
    if name not in _EMPHASIS or side not in ("open", "close"):
        return None
    begin, end = construct.begin, construct.end
    if name == "strong":  # the token next to it has become empty
        begin, end = (begin - 1, end) if side == "open" else (begin, end + 1)
    return Construct(begin, end, side, name)


def _order(construct: Construct) -> tuple[int, int]:
    return construct.begin, -construct.end


def _without_overlaps(constructs: list[Construct]) -> list[Construct]:
    kept: list[Construct] = []
    for one in constructs:
        if not kept or one.begin >= kept[-1].end:
            kept.append(one)
    return kept


def _with_kept_elements(content: str, constructs: list[Construct]) -> list[Construct]:
    """Copy HTML elements such as `<code>` with their content."""
    kept: list[Construct] = []
    index = 0
    while index < len(constructs):
        one = constructs[index]
        if one.kind == "open" and one.name.lstrip("<") in _KEPT_ELEMENTS and "<" in one.name:
            last = index + 1
            while last < len(constructs) and constructs[last][2:] != ("close", one.name):
                last += 1
            if last < len(constructs):
                kept.append(Construct(one.begin, constructs[last].end, "copied"))
                index = last + 1
                continue
        kept.append(one)
        index += 1
    return kept

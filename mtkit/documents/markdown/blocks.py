"""Blocks of Markdown with text: their lines, and where each character is in the document."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mtkit.documents.markdown.inline import new_parser

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_FRONT_MATTER = re.compile(
    r"(---|\+\+\+)[ \t]*\r?\n(?:.*?\r?\n)?(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_PREFIX = re.compile(r"[\s>*+\-\d.)|]*")
_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_SIGNS = ("type", "tag", "nesting", "level", "markup", "info")


@dataclass(frozen=True)
class Block:
    """A paragraph, a heading or a cell of a table."""

    kind: str
    """paragraph, heading or cell; an underlined heading is a paragraph."""
    line: int
    """First line in the document, from 0."""
    content: str
    """Text without the prefixes of its lines, which end in LF."""
    begins: list[int]
    """Place of each character of the content in the document, ascending."""
    prefix: str
    """What precedes the text in the second line; empty if there is only one."""
    newline: str
    """Line end of the first line."""
    width: int
    """Characters in its longest line, prefix included."""
    starts_line: bool
    """Whether its beginning could begin another block."""

    def end(self, index: int) -> int:
        """Return the place after a character of the content."""
        size = len(self.newline) if self.content[index] == "\n" else 1
        return self.begins[index] + size


class Blocks:
    """Blocks of a document.

    Args:
        text: The document.
    """

    def __init__(self, text: str) -> None:
        front = _FRONT_MATTER.match(text)
        start = front.end() if front else 0
        self.text = text
        self.lines = [match.span() for match in _LINE.finditer(text, start) if match.group()]
        self.env: dict[str, Any] = {}
        self.tokens: list[Any] = []
        self.n_lost = 0
        source = re.sub("\r\n?", "\n", text[start:]).replace("\0", "\ufffd")
        parser = new_parser()
        parser.block.parse(source, parser, self.env, self.tokens)

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks with text in order, except those whose place is not known."""
        kind = ""
        self.n_lost = 0
        row: list[Any] | None = None
        for token in self.tokens:
            if token.type == "tr_open":
                row = []
            elif token.type == "tr_close":
                yield from self._cells(row or [])
                row = None
            elif token.type.endswith("_open"):
                is_underlined = token.type == "heading_open" and token.markup in ("=", "-")
                kind = "paragraph" if is_underlined else token.type.removesuffix("_open")
            elif token.type == "inline" and row is not None:
                row.append(token)
            elif token.type == "inline" and token.content and token.map:
                if block := self._lines(kind, token):
                    yield block
                else:
                    self.n_lost += 1

    def structure(self) -> list[tuple[Any, ...]]:
        """Return what must be equal after a translation: all but the text of paragraphs."""
        return [
            (
                *(getattr(token, sign) for sign in _SIGNS),
                "" if token.type == "inline" else token.content,
                bool(token.content),
                tuple((token.attrs or {}).items()),
            )
            for token in self.tokens
        ]

    def _lines(self, kind: str, token: Any) -> Block | None:
        """Find the content of a paragraph or heading, each line of which ends a line."""
        first, content = token.map[0], token.content
        rows = content.split("\n")
        begins: list[int] = []
        prefixes: list[str] = []
        for number, row in enumerate(rows):
            begin, end = self.lines[first + number]
            line = self.text[begin:end].rstrip("\r\n").replace("\0", "\ufffd")
            core = row.strip()
            shown = line.rstrip()
            if not shown.endswith(core) and kind == "heading":
                shown = _CLOSING.sub("", shown).rstrip()
            if not shown.endswith(core):
                return None
            indent = len(row) - len(row.lstrip())
            place = begin + len(shown) - len(core)
            prefixes.append(self.text[begin:place])
            begins += [place] * indent
            trailing = len(row) - len(row.rstrip()) if core else 0
            begins += range(place, place + len(core) + trailing)
            if number + 1 < len(rows):
                begins.append(begin + len(line))
        lines = [self.text[slice(*self.lines[first + n])].rstrip("\r\n") for n in range(len(rows))]
        begin, end = self.lines[first]
        newline = self.text[begin:end][len(lines[0]) :] or "\n"
        prefix = prefixes[1] if len(prefixes) > 1 else ""
        return Block(
            kind, first, content, begins, prefix, newline, max(map(len, lines)), kind == "paragraph"
        )

    def _cells(self, row: list[Any]) -> Iterator[Block]:
        """Find the cells of a row; a bar in them has a backslash in the document."""
        if not row or not row[0].map:
            return
        line = row[0].map[0]
        begin, end = self.lines[line]
        text = self.text[begin:end].rstrip()
        prefix = _PREFIX.match(text)
        contents = [token.content for token in row]
        for start in range(prefix.end() + 1 if prefix else 1):
            cells = _split_row(text, start)
            found = ["".join(text[place] for place in cell) for cell in cells]
            found += [""] * (len(contents) - len(found))
            if found[: len(contents)] == contents:
                for content, cell in zip(contents, cells, strict=False):
                    if content:
                        places = [begin + place for place in cell]
                        starts_line = "|" not in text[start : cell[0]]
                        yield Block("cell", line, content, places, "", "\n", 0, starts_line)
                return
        self.n_lost += len(contents)


def _split_row(row: str, start: int) -> list[list[int]]:
    """Return the places of the characters of each cell, without white space around it."""
    cells: list[list[int]] = [[]]
    is_escaped = False
    for place in range(start, len(row)):
        char = row[place]
        if char == "|" and not is_escaped:
            cells.append([])
        else:
            if char == "|":
                cells[-1].pop()
            cells[-1].append(place)
        is_escaped = char == "\\"
    if not cells[0] and len(cells) > 1:
        cells.pop(0)
    return [_stripped(row, cell) for cell in cells]


def _stripped(row: str, places: list[int]) -> list[int]:
    first, last = 0, len(places)
    while first < last and row[places[first]].isspace():
        first += 1
    while last > first and row[places[last - 1]].isspace():
        last -= 1
    return places[first:last]

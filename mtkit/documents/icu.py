"""ICU MessageFormat: the texts within plural and select arguments, with their offsets."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_COMPLEX = re.compile(r"\{\s*[\w.-]+\s*,\s*(?:plural|selectordinal|select)\s*,")
_ARGUMENT = re.compile(r"\{\s*([\w.-]+)\s*(?:(\})|,\s*(\w+)\s*)")
_OFFSET = re.compile(r"\s*offset\s*:\s*\d+")
_BRANCH = re.compile(r"\s*(=\d+|[\w-]+)\s*\{")
_CLOSING = re.compile(r"\s*\}")
_SYNTAX = re.compile("['{}#]")
_BRACE_OR_QUOTE = re.compile("['{}]")
_MAX_DEPTH = 20


class Branch(NamedTuple):
    """Text for a value of an argument, such as `few {# files}`."""

    selector: str
    message: "Message"


class Item(NamedTuple):
    """Part of a message that is not plain text."""

    begin: int
    end: int
    text: str
    """The text that it shows, or `{name}` for an argument."""
    is_literal: bool = False
    kind: str = ""
    """Kind of an argument with branches: plural, selectordinal or select."""
    branches: tuple[Branch, ...] = ()


@dataclass
class Message:
    """A message, or the text of a branch."""

    begin: int
    end: int = 0
    items: list[Item] = field(default_factory=list)
    """In order; the text between them is plain."""
    is_plural: bool = False
    """Whether `#` stands for a number in it."""


class _NotValid(Exception):
    """The text is not a message."""


def parse_icu(text: str, begin: int, end: int) -> Message | None:
    """Parse a message that has arguments with branches; return None for any other text.

    An apostrophe begins a quoted text only before a brace, or before `#` in a plural, as by default
    in ICU since version 4.8.

    Args:
        text: A text with the message.
        begin: First character of the message.
        end: Character after the last one.
    """
    if not _COMPLEX.search(text, begin, end):
        return None
    try:
        message = _Parser(text, end).message(begin, 0, is_plural=False)
    except _NotValid:
        return None
    return message


class _Parser:
    def __init__(self, text: str, end: int) -> None:
        self.text, self.end = text, end

    def message(self, begin: int, depth: int, *, is_plural: bool) -> Message:
        """Parse a message; it ends before a closing brace, or at the end of the text."""
        if depth > _MAX_DEPTH:
            raise _NotValid
        message = Message(begin, is_plural=is_plural)
        position = begin
        while match := _SYNTAX.search(self.text, position, self.end):
            char, position = match.group(), match.start()
            if char == "}":
                if depth == 0:
                    raise _NotValid
                message.end = position
                return message
            if char == "{":
                item = self.argument(position, depth, is_plural=is_plural)
            elif char == "#":
                item = Item(position, position + 1, "#") if is_plural else None
            else:
                item = self.quoted(position, is_plural=is_plural)
            if item is not None:
                message.items.append(item)
            position = item.end if item is not None else position + 1
        if depth:
            raise _NotValid
        message.end = self.end
        return message

    def quoted(self, begin: int, *, is_plural: bool) -> Item | None:
        """Parse an apostrophe; return None if it is plain text."""
        following = self.text[begin + 1 : min(begin + 2, self.end)]
        if following == "'":
            return Item(begin, begin + 2, "'", is_literal=True)
        if following not in ("{", "}", "#" if is_plural else "{"):
            return None
        position = begin + 1
        while True:
            close = self.text.find("'", position, self.end)
            if close < 0:
                raise _NotValid
            if not self.text.startswith("''", close):
                raw = self.text[begin + 1 : close]
                return Item(begin, close + 1, raw.replace("''", "'"))
            position = close + 2

    def argument(self, begin: int, depth: int, *, is_plural: bool) -> Item:
        match = _ARGUMENT.match(self.text, begin, self.end)
        if match is None:
            raise _NotValid
        name, closing, kind = match.groups()
        if closing:
            return Item(begin, match.end(), f"{{{name}}}")
        if kind not in ("plural", "selectordinal", "select"):
            return Item(begin, self.end_of_argument(match.end()), f"{{{name}}}")
        position = match.end()
        if not self.text.startswith(",", position):
            raise _NotValid
        position += 1
        counts = kind != "select"
        if counts and (offset := _OFFSET.match(self.text, position, self.end)):
            position = offset.end()
        branches: list[Branch] = []
        while branch := _BRANCH.match(self.text, position, self.end):
            is_counted = counts or is_plural
            message = self.message(branch.end(), depth + 1, is_plural=is_counted)
            branches.append(Branch(branch[1], message))
            position = message.end + 1
        end = _CLOSING.match(self.text, position, self.end)
        if end is None or not branches:
            raise _NotValid
        return Item(begin, end.end(), f"{{{name}}}", kind=kind, branches=tuple(branches))

    def end_of_argument(self, position: int) -> int:
        """Return the end of an argument without branches, whose style may have braces."""
        depth = 1
        while match := _BRACE_OR_QUOTE.search(self.text, position, self.end):
            position = match.end()
            if match.group() == "'":
                close = self.text.find("'", position, self.end)
                position = close + 1 if close >= 0 else position
                continue
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return position
        raise _NotValid


def escape_icu(text: str, *, is_plural: bool, doubles_apostrophes: bool) -> str:
    """Return how a plain text is written in a message.

    Args:
        text: A text, next to which there may be an argument.
        is_plural: Whether `#` stands for a number.
        doubles_apostrophes: Whether every apostrophe is doubled; otherwise, only one before syntax.
    """
    run = re.compile("['{}#]+" if is_plural else "['{}]+")

    def quoted(match: re.Match[str]) -> str:
        doubled = match.group().replace("'", "''")
        if match.group().strip("'"):
            return f"'{doubled}'"
        is_safe = match.group() == "'" and match.end() < len(text) and not doubles_apostrophes
        return "'" if is_safe else doubled

    return run.sub(quoted, text)

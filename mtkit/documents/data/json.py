"""JSON: the texts among its values; also JSON Lines."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from mtkit.documents.data.fields import Fields
from mtkit.documents.data.values import Value, ValueDocument
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError

_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}\[\]]', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB]..\\u....|....)|(.))", re.DOTALL)
_MANDATORY = re.compile(r'[\x00-\x1f"\\]')
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_DEPTH = 500


@dataclass
class JsonDocument(ValueDocument):
    """A file in JSON. Keys, numbers and all that is not translated keep their bytes."""

    escapes: dict[str, str] = field(default_factory=dict)
    """Characters that are escaped in the file, and how."""
    is_ascii: bool = False
    """Whether the file escapes every character outside ASCII."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions, *, is_lines: bool = False) -> "JsonDocument":
        """Read the segments of a file.

        Args:
            text: The file.
            options: The keys to translate.
            is_lines: Whether each line is a value.
        Raises:
            MtkitError: The file is not valid, or has no such key.
        """
        _check(text, options.name, is_lines=is_lines)
        selected = Fields(options)
        document = cls("", source=text)
        document.escapes = _escapes(text)
        document.is_ascii = text.isascii() and any(char > "\x7f" for char in document.escapes)
        document.add_values(list(_values(text, selected)), options.tgt_lang)
        document.remarks |= selected.remarks()
        return document

    def written_value(self, value: Value, text: str) -> str:
        """Return a text as a JSON string, with the characters escaped that the file escapes."""
        return f'"{self._escaped.sub(self._escape, text)}"'

    @cached_property
    def _escaped(self) -> re.Pattern[str]:
        """Pattern of the characters that are escaped."""
        others = re.escape("".join(self.escapes)) + ("\x80-\U0010ffff" if self.is_ascii else "")
        return re.compile(f"{_MANDATORY.pattern[:-1]}{others}]")

    def _escape(self, match: re.Match[str]) -> str:
        return self.escapes.get(match.group()) or json.dumps(match.group())[1:-1]


def _check(text: str, name: str, *, is_lines: bool) -> None:
    """Refuse what is not JSON by RFC 8259.

    Raises:
        MtkitError: The file is not valid.
    """
    number = 0  # lines before the value
    try:
        for number, line in enumerate(re.split("\r?\n", text) if is_lines else [text]):  # noqa: B007
            if line.strip(" \t\r") or not is_lines:
                # Numbers are not converted, since Python refuses very long ones.
                json.loads(line, parse_int=len, parse_float=len, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise MtkitError(
            f"`{name}`: line {number + exc.lineno:,} is not valid JSON: {exc.msg} at character "
            f"{exc.colno:,}",
            "JSON has neither comments nor commas after the last value",
        ) from None
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as exc:
        raise MtkitError(
            f"`{name}`: is not valid JSON: {exc}", "write null, or a number, in its place"
        ) from None


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"it contains {constant}")


def _too_deep(name: str) -> MtkitError:
    return MtkitError(
        f"`{name}`: is nested deeper than {_MAX_DEPTH} levels", "split it, or check how it was made"
    )


def _values(text: str, selected: Fields) -> Iterator[Value]:
    """Yield the texts that are selected; the file is known to be valid."""
    path: list[str] = []
    for token in _TOKEN.finditer(text):
        string, colon = token.groups()
        if string is None:
            if token.group() in "{[":
                path.append("*")
                if len(path) > _MAX_DEPTH:
                    raise _too_deep(selected.options.name)
            else:
                path.pop()
        elif colon:
            path[-1] = _text(string)
        elif selected.selects(path):
            value = _text(string)
            if not _SURROGATE.search(value):  # half a character
                yield Value(*token.span(1), value)


def _text(string: str) -> str:
    return json.loads(string) if "\\" in string else string[1:-1]


def _escapes(text: str) -> dict[str, str]:
    """Return the characters that are escaped although they need not be, with their escapes."""
    escapes: dict[str, str] = {}
    for escape in dict.fromkeys(match.group() for match in _ESCAPE.finditer(text)):
        if escape == r"\/" or escape.startswith(r"\u"):
            escapes.setdefault(json.loads(f'"{escape}"'), escape)
    return {char: escape for char, escape in escapes.items() if not _MANDATORY.match(char)}

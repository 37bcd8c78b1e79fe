"""JSON Lines: some values are translated, everything else is kept byte for byte."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.json_lines import broken_json
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.output import json_object, json_text
from mtkit.translation.lines.records import Record
from mtkit.translation.result import Translation

# Numbers are only skipped, and Python refuses to convert very long ones.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\n\r]*")


class _Value(NamedTuple):
    """A value and its position in the line."""

    value: Any
    start: int
    end: int


class _Object(NamedTuple):
    """The members of an object, and the position of its closing brace."""

    members: dict[str, _Value]
    end: int


class JsonLineReader:
    """Parses JSON objects.

    A key of a nested object is written with a dot, as in doc.text, unless the object has a key with
    that dot in its name. A missing nested object is added if a translation is written to it.

    Args:
        options: `input_format` is jsonl.
    """

    def __init__(self, options: LineOptions) -> None:
        self.options = options
        self.has_details = (
            options.details or options.n_best is not None or options.alignments == "inline"
        )
        self.fields_out = options.fields_out or options.names_of_added()

    def header(self) -> None:
        """Return None: JSON Lines have no header."""

    def read(self, line: str, where: str) -> Record:
        """See `RecordReader`. A blank line is kept, and the translation of null is null."""
        if not line.strip():
            return Record([""] * len(self.options.fields), lambda _: line)
        if rest := line[_object(line, 0, where).end + 1 :].strip():
            raise MtkitError(
                f"{where}: broken JSON: {rest[:10]!r} follows the object",
                "each line is one JSON object",
            )
        values = [_text(line, field, where) for field in self.options.fields]
        if self.options.passes_through:
            # Report an error in the line before it is translated.
            self._set(line, ["null"] * len(values), where)
        return Record(
            [value or "" for value in values],
            lambda found: self._written(line, values, found, where),
            _document(line, self.options.document_field, where),
        )

    def _written(
        self, line: str, values: Sequence[str | None], found: Sequence[Translation], where: str
    ) -> str:
        results = [
            (
                json_object(translation, self.options.n_best is not None)
                if self.has_details
                else translation.text
            )
            for translation in found
        ]
        return self._set(
            line,
            [
                json_text(None if value is None else result)
                for value, result in zip(values, results, strict=True)
            ],
            where,
        )

    def _set(self, line: str, texts: Sequence[str], where: str) -> str:
        for field, text in zip(self.fields_out, texts, strict=True):
            line = _with_value(line, field, text, where, may_replace=bool(self.options.fields_out))
        return line


def _document(line: str, field: str | None, where: str) -> str:
    """Return the value that names the document, as it is written."""
    if field is None:
        return ""
    _, start, end = _value(line, field, where)
    return line[start:end]


def _value(line: str, field: str, where: str) -> _Value:
    parent, key = _parent_of(line, field, where)
    if key not in parent.members:
        known = ", ".join(_object(line, 0, where).members) or "none"
        raise MtkitError(
            f"{where} has no field {field}; it has {known}",
            "--field and --document-column take one of its keys",
        )
    return parent.members[key]


def _text(line: str, field: str, where: str) -> str | None:
    value, start, _ = _value(line, field, where)
    if value is not None and line[start] != '"':
        kind = (
            "an object"
            if isinstance(value, Mapping)
            else "a list"
            if isinstance(value, list)
            else "not a text"
        )
        raise MtkitError(
            f"{where}: {field} is {kind}",
            "--field takes keys of texts; a key of a nested object is written with a dot, as in"
            " doc.text",
        )
    return value


def _with_value(line: str, field: str, text: str, where: str, may_replace: bool) -> str:
    parent, key = _parent_of(line, field, where)
    if key in parent.members:
        if not may_replace:
            raise MtkitError(
                f"{where} has a field {key} already",
                "give --field-out: another name, or this one to replace what it holds",
            )
        _, start, end = parent.members[key]
        return line[:start] + text + line[end:]
    last = max((value.end for value in parent.members.values()), default=None)
    start = parent.end if last is None else last
    # A default name is one key, even if the name of its field has a dot.
    outer, *inner = key.split(".") if may_replace else [key]
    if outer in parent.members:
        raise MtkitError(
            f"{where}: {outer} is not an object, so {field} cannot be put in it",
            "give --field-out another name",
        )
    for name in reversed(inner):
        text = f"{{{json_text(name)}: {text}}}"
    return f"{line[:start]}{'' if last is None else ', '}{json_text(outer)}: {text}{line[start:]}"


def _parent_of(line: str, field: str, where: str) -> tuple[_Object, str]:
    """Find the object that holds a field or would hold it, and its key there."""
    found, key = _object(line, 0, where), field
    while key not in found.members and "." in key:
        outer, rest = key.split(".", 1)
        if outer not in found.members or not isinstance(found.members[outer].value, Mapping):
            break
        found, key = _object(line, found.members[outer].start, where), rest
    return found, key


def _object(line: str, start: int, where: str) -> _Object:
    """Parse an object with the positions of its values, which `json` does not report."""
    try:
        start = _skip(line, start)
        if line[start : start + 1] != "{":
            _DECODER.raw_decode(line, start)
            raise MtkitError(
                f"{where}: not an object", 'each line is one JSON object, such as {"text": "Hallo"}'
            )
        members, position = {}, _skip(line, start + 1)
        has_more = line[position : position + 1] != "}"
        while has_more:
            _expect('"', "property name enclosed in double quotes", line, position)
            key, position = _DECODER.raw_decode(line, position)
            if key in members:
                raise MtkitError(
                    f"{where}: the key {key} occurs twice",
                    "keep one of them: each key of an object has one value",
                )
            position = _skip(line, position)
            _expect(":", "':' delimiter", line, position)
            value_start = _skip(line, position + 1)
            value, value_end = _DECODER.raw_decode(line, value_start)
            members[key] = _Value(value, value_start, value_end)
            position = _skip(line, value_end)
            if has_more := line[position : position + 1] == ",":
                position = _skip(line, position + 1)
        _expect("}", "',' delimiter", line, position)
        return _Object(members, position)
    except (ValueError, RecursionError) as exc:
        raise broken_json(where, exc) from None


def _expect(char: str, name: str, line: str, position: int) -> None:
    if line[position : position + 1] != char:
        raise json.JSONDecodeError(f"Expecting {name}", line, position)


def _skip(line: str, start: int) -> int:
    match = _SPACE.match(line, start)
    return match.end() if match else start

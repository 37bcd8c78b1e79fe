"""Scalars of YAML: where they are, which of them are texts, and how another text is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtkit.documents.data.values import Value
from mtkit.errors import MtkitError

MAX_CHARS = 1 << 23
_MAX_DEPTH = 200
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")
_OTHER_TYPES = re.compile(
    r"~|null|true|false|yes|no|on|off|y|n|[-+]?\.inf|\.nan|<<|=|[-+]?0x[0-9a-f_]+|[-+]?0o?[0-7_]+"
    r"|[-+]?0b[01_]+|[-+]?[\d_]*\.?[\d_]*(?:e[-+]?\d+)?|[-+]?\d[\d_:]*(?:\.[\d_]*)?"
    r"|\d{4}-\d\d?-\d\d?(?:(?:t|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?[ \t]*(?:z|[-+]\d\d?(?::\d\d)?)?)?",
    re.IGNORECASE,
)
"""Plain scalars that YAML 1.1 or 1.2 reads as something other than a text."""
_NOT_PLAIN = re.compile(r"""^[-?:,\[\]{}#&*!|>'"%@`\s]|^\.\.\.|:\s|:$|\s\#|\s$|[\r\n\t]""")
_NOT_PLAIN_IN_FLOW = re.compile(r"[,\[\]{}]|:[,\[\]{}]")
_NOT_PRINTABLE = re.compile(
    "[^\\t\\n\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
_TO_ESCAPE = re.compile(f'["\\\\\\\\\\t\\n]|{_NOT_PRINTABLE.pattern}')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Scalar(NamedTuple):
    """A scalar of a file."""

    path: tuple[str, ...] | None
    """Keys that lead to it; None for a key."""
    value: "YamlValue"
    tag: str | None


@dataclass(frozen=True)
class YamlValue(Value):
    """A scalar."""

    style: str | None = None
    """Its first character, if that is one of `'`, `"`, `|` and `>`; None for a plain one."""
    is_in_flow: bool = False
    """Whether it is within brackets."""

    @property
    def is_text(self) -> bool:
        """Whether it is a text, not a number, for example."""
        return self.style is not None or not _OTHER_TYPES.fullmatch(self.text)


class Structure(NamedTuple):
    """Events of a file, without the values of its scalars."""

    kinds: list[tuple[Any, ...]]
    scalars: list[Scalar]


def read_structure(text: str, name: str) -> Structure:
    """Parse a file. Aliases are not expanded.

    Args:
        text: The file.
        name: Its name in errors.
    Raises:
        MtkitError: It is not valid, too large or nested too deeply.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MAX_CHARS:
        raise MtkitError(
            f"`{name}`: {len(text):,} characters are more than a YAML file may have "
            f"({MAX_CHARS:,})",
            "split the file",
        )
    structure = Structure([], [])
    try:
        for kind, scalar in _Walk(text, name).events(YAML(typ="safe", pure=True).parse(text)):
            structure.kinds.append(kind)
            if scalar is not None:
                structure.scalars.append(scalar)
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"line {mark.line + 1:,}" if mark is not None else "it"
        problem = " ".join(str(exc.problem or exc.context).split())
        raise MtkitError(
            f"`{name}`: {where} is not valid YAML: {problem}", "check indentation and quotes"
        ) from None
    except (YAMLError, ValueError, OverflowError, RecursionError) as exc:
        reason = " ".join(str(exc).split())[:100]
        raise MtkitError(f"`{name}`: is not valid YAML: {reason}", "check the file") from None
    return structure


class _Walk:
    """Follows the keys of a file."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.frames: list[list[Any]] = []
        """For each collection: its key, whether a key is next (None in a list), whether it is in
        brackets, and whether it is within a key."""

    def events(self, parsed: Iterator[Any]) -> Iterator[tuple[tuple[Any, ...], Scalar | None]]:
        for event in parsed:
            kind = type(event).__name__
            if kind.endswith("EndEvent"):
                if kind in ("MappingEndEvent", "SequenceEndEvent"):
                    self.frames.pop()
                    self._next("")
                yield (kind,), None
            elif kind == "ScalarEvent":
                yield (kind, event.tag, event.anchor), self._scalar(event)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._open(event, is_mapping=kind == "MappingStartEvent")
                yield (kind, event.tag, event.anchor), None
            else:
                if kind == "AliasEvent":
                    self._next("")
                yield (kind, getattr(event, "anchor", None)), None

    def _open(self, event: Any, *, is_mapping: bool) -> None:
        is_in_key = bool(self.frames) and (self.frames[-1][3] or self.frames[-1][1] is True)
        is_in_flow = bool(event.flow_style) or (bool(self.frames) and self.frames[-1][2])
        self.frames.append(["*", True if is_mapping else None, is_in_flow, is_in_key])
        if len(self.frames) > _MAX_DEPTH:
            raise MtkitError(
                f"`{self.name}`: is nested deeper than {_MAX_DEPTH} levels",
                "split it, or check how it was made",
            )

    def _next(self, key: str) -> None:
        """Note that a key or a value is complete."""
        if self.frames and self.frames[-1][1] is not None:
            if self.frames[-1][1]:
                self.frames[-1][0] = key
            self.frames[-1][1] = not self.frames[-1][1]

    def _scalar(self, event: Any) -> Scalar:
        begin, end = event.start_mark.index, event.end_mark.index
        properties = _PROPERTIES.match(self.text, begin, end)
        begin = properties.end() if properties and (event.tag or event.anchor) else begin
        frame = self.frames[-1] if self.frames else [None, None, False, False]
        is_key = frame[1] is True or frame[3]
        path = None if is_key else tuple(str(frame[0]) for frame in self.frames)
        style = event.style if event.style in ("'", '"', "|", ">") else None
        value = YamlValue(begin, end, event.value, style, bool(frame[2]))
        self._next(event.value)
        return Scalar(path, value, event.tag)


def is_translatable(scalar: Scalar) -> bool:
    """Return whether a scalar is a text that is not a key and has no tag of an application."""
    return scalar.path is not None and scalar.tag in _TEXT_TAGS and scalar.value.is_text


def write_scalar(value: YamlValue, text: str, raw: str, *, is_ascii: bool) -> str:
    """Return another text in the style of a scalar, or in another one if that cannot hold it.

    Args:
        value: The scalar.
        text: The text.
        raw: How the scalar is written in the file.
        is_ascii: Whether characters outside ASCII are escaped where that is possible.
    """
    if value.style in ("|", ">") and not _NOT_PRINTABLE.search(text):
        write = _literal if value.style == "|" else _folded
        if (block := write(value, text, raw)) is not None:
            return block
    if value.style is None and is_plain(text, is_in_flow=value.is_in_flow):
        return text
    if value.style in (None, "'") and not _NOT_PRINTABLE.search(text) and "\n" not in text:
        return "'" + text.replace("'", "''") + "'"
    return double_quoted(value, text, raw, is_ascii=is_ascii)


def double_quoted(value: YamlValue, text: str, raw: str, *, is_ascii: bool) -> str:
    """Return a text in quotation marks, which can hold any."""
    escaped = _TO_ESCAPE.sub(_escape, text)
    if is_ascii:
        escaped = re.sub(r"[^\x00-\x7f]", _escape, escaped)
    after = raw[len(raw.rstrip("\r\n")) :] if value.style in ("|", ">") else ""
    return f'"{escaped}"{after}'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char in _SHORT:
        return _SHORT[char]
    number = ord(char)
    return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"


def is_plain(text: str, *, is_in_flow: bool) -> bool:
    """Return whether a text is read as itself without quotation marks."""
    return not (
        not text
        or _NOT_PLAIN.search(text)
        or _NOT_PRINTABLE.search(text)
        or (is_in_flow and _NOT_PLAIN_IN_FLOW.search(text))
        or _OTHER_TYPES.fullmatch(text)
    )


def _literal(value: YamlValue, text: str, raw: str) -> str | None:
    """Replace the lines that change; return None if that is impossible."""
    header, *body = raw.splitlines(keepends=True)
    old, new = value.text.split("\n"), text.split("\n")
    if len(old) != len(new):
        return None
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if index >= len(body):
            return None
        line = body[index].rstrip("\r\n")
        if not line.endswith(before) or line[: len(line) - len(before)].strip(" "):
            return None
        body[index] = line[: len(line) - len(before)] + after + body[index][len(line) :]
    return "".join([header, *body])


def _folded(value: YamlValue, text: str, raw: str) -> str | None:
    """Write each paragraph in lines as long as before; return None if that is impossible."""
    header, _, body = raw.partition("\n")
    content = body.rstrip()
    lines = content.splitlines()
    if not lines or re.search(r"\d", header.partition("#")[0]) or re.search(r"(?m)^\s", text):
        return None
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip(" "))]
    width = max(40, *(len(line) - len(indent) for line in lines))
    newline = "\r\n" if header.endswith("\r") else "\n"
    written: list[str] = []
    for paragraph in text.rstrip("\n").split("\n"):
        written += [*_wrapped(paragraph, width), ""]
    block = newline.join(indent + line if line else "" for line in written[:-1])
    return f"{header}\n{block}{body[len(content) :]}"


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text at single spaces."""
    lines: list[str] = [""]
    for word in re.split(r"(?<=\S) (?=\S)", text):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines

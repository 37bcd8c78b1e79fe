"""Vocabularies of Marian in YAML: one token and its id per line.

A YAML parser would read tokens such as `null`, `yes`, `~` and `123` as something else than text,
and yaml-cpp, which writes these files, has its own ideas of what has to be quoted. The files have
one simple form, though, for which a line is enough.
"""

import json
import re
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import read_bytes

_MAX_BYTES = 64 << 20
_LINE = re.compile(r"(?P<token>.*[^ \t])[ \t]*:[ \t]+(?P<id>\d{1,9})[ \t]*", re.DOTALL)
_EXPLICIT_KEY = re.compile(r"\?[ \t]+(?P<token>.*[^ \t])[ \t]*", re.DOTALL)
_EXPLICIT_ID = re.compile(r":[ \t]+(?P<id>\d{1,9})[ \t]*")
_ESCAPE = re.compile(
    r"\\(?:x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|(?P<char>.))",
    re.DOTALL,
)
_CHARS = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
    "\t": "\t",
}


def read_vocab_yml(path: Path) -> dict[str, int]:
    """Read a vocabulary file.

    Returns:
        The id of each token.
    Raises:
        MtkitError: The file cannot be read, or a line is not a token and its id.
    """
    try:
        text = read_bytes(path, _MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise MtkitError(f"`{path}`: not UTF-8", "copy the model again") from None
    return parse_vocab(text, str(path))


def parse_vocab(text: str, name: str = "vocabulary") -> dict[str, int]:
    """Parse a vocabulary in YAML.

    Args:
        text: The content of the file.
        name: Its name in errors.
    Returns:
        The id of each token.
    Raises:
        MtkitError: A line is not a token and its id, or a token occurs twice.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return _parse_json(text, name)
    ids: dict[str, int] = {}
    key: str | None = None
    # Only LF ends a line: a token may contain other line separators of Unicode.
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip(" \t") or (number == 1 and line.rstrip() == "---") or line[:2] == "# ":
            continue
        if key is None and (match := _EXPLICIT_KEY.fullmatch(line)):
            # Long keys are written in a form of their own, with the id in the next line.
            key = match["token"]
            continue
        match = (_LINE if key is None else _EXPLICIT_ID).fullmatch(line)
        token = None if match is None else _unquoted(match["token"] if key is None else key)
        if match is None or token is None or token in ids:
            problem = "a token that occurred before" if token in ids else "not a token and its id"
            raise MtkitError(
                f"`{name}`: line {number} is {problem}: {line[:60]!r}",
                'copy the vocabulary again; a line is, for example, `"the": 12`',
            )
        ids[token] = int(match["id"])
        key = None
    return ids


def _parse_json(text: str, name: str) -> dict[str, int]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict) or not all(type(value) is int for value in tree.values()):
        raise MtkitError(f"`{name}`: not a table of ids", "copy the vocabulary again")
    return tree


def _unquoted(text: str) -> str | None:
    """Return the token that a text in YAML stands for; None if its quotes do not match."""
    if text[0] == '"':
        if len(text) < 2 or text[-1] != '"':
            # As Marian's own reader would, take a lone quotation mark as itself.
            return text if text == '"' else None
        return _unescaped(text[1:-1])
    if text[0] == "'" and len(text) > 1 and text[-1] == "'":
        inner = text[1:-1]
        # ''' is an apostrophe that was not doubled.
        return inner if inner == "'" else inner.replace("''", "'")
    return text


def _unescaped(text: str) -> str | None:
    is_valid = True

    def replacement(match: re.Match[str]) -> str:
        nonlocal is_valid
        code = match["x"] or match["u"] or match["U"]
        if code is None:
            char = _CHARS.get(match["char"])
        else:
            char = chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else None
        is_valid = is_valid and char is not None
        return char or ("\0" if match["char"] == "0" else "")

    plain = _ESCAPE.sub(replacement, text)
    return plain if is_valid else None

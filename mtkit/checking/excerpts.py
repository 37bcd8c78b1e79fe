"""Excerpts of lines: short, on one line, and without characters that a terminal could interpret."""

import re
import unicodedata

from mtkit.checking.characters import char_class
from mtkit.checking.lenient_reader import RawLine
from mtkit.checking.line_checks import EDGE_SPACES, PATTERNS

MAX_WIDTH = 90
"""Maximum number of characters of an excerpt."""
_MAX_CONTEXT = 30
"""Maximum number of characters before the fault."""

_EDGE_SPACES = re.compile("^ +| +$")
_CLASS_OF_FAULT = {"bom_inside": "bom"}


def excerpt(raw: RawLine, fault: str = "") -> str:
    """Return the text around the first occurrence of a fault, or the start of the text.

    Invisible characters are written as escapes (\\x00, \\u200b), and so are bytes that are not
    UTF-8.

    Args:
        raw: A line.
        fault: Name of the rule that found it.
    """
    text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
    start = max(0, _position_of_fault(raw, text, fault) - _MAX_CONTEXT)
    start = start if len(text) > MAX_WIDTH else 0
    end = start + MAX_WIDTH
    escaped = "".join(_escape(char, fault) for char in text[start:end])
    if fault == "edge_spaces":
        escaped = _EDGE_SPACES.sub(lambda match: match.group().replace(" ", "\\x20"), escaped)
    return ("..." if start else "") + escaped + ("..." if end < len(text) else "")


def first_invalid_byte(raw: RawLine) -> int | None:
    """Return the position of the first byte that is not UTF-8, from 1."""
    try:
        if isinstance(raw, bytes):
            raw.decode()
    except UnicodeDecodeError as exc:
        return exc.start + 1
    return None


def _position_of_fault(raw: RawLine, text: str, fault: str) -> int:
    if fault == "invalid_utf8" and isinstance(raw, bytes):
        return len(raw[: (first_invalid_byte(raw) or 1) - 1].decode(errors="replace"))
    if fault in PATTERNS:
        match = PATTERNS[fault].search(text)
        return match.start() if match else 0
    if fault == "not_nfc":
        composed = unicodedata.normalize("NFC", text)
        chars = enumerate(zip(text, composed, strict=False))
        return next((position for position, (old, new) in chars if old != new), 0)
    if fault == "crlf" or (fault == "edge_spaces" and text[0] not in EDGE_SPACES):
        return len(text)
    kind = _CLASS_OF_FAULT.get(fault, fault)
    return next((position for position, char in enumerate(text) if char_class(char) == kind), 0)


def _escape(char: str, fault: str) -> str:
    if char == " " or (char.isprintable() and not (fault == "not_nfc" and _is_composable(char))):
        return char
    return char.encode("unicode_escape").decode()


def _is_composable(char: str) -> bool:
    """Whether a character, such as an accent or jamo, looks the same in another normal form."""
    return (
        unicodedata.combining(char) > 0
        or "\u1100" <= char <= "\u11ff"
        or not unicodedata.is_normalized("NFC", char)
    )

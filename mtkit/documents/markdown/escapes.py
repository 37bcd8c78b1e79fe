"""Escapes of plain text in Markdown."""

import re

_LIGHT = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|\Z)"  # a backslash before punctuation
    r"|`|(?<!\s)\*|\*(?!\s)|(?<![^\W_])_|_(?![^\W_])|~~|<(?=[A-Za-z/!?])|(?<=\])[\[(]"
)
_FULL = re.compile(r"[!-/:-@\[-`{-~]")
_RARE = frozenset("!\"'(),-./:;?%@+=")
"""Punctuation that means nothing within a line."""
_REFERENCE = re.compile(r"&(?=#?\w+;)")
_LINE_START = re.compile(
    r"[-+*](?:\s|$)|#{1,6}(?:\s|$)|>|[=-]+\s*$|~~~|\||:::|:?-+[:|]|([-_*])(?:\s*\1){2,}\s*$"
    r"|\[[^\]]*\]:"
)
_NUMBER = re.compile(r"\d{1,9}(?=[.)](?:\s|$))")
_END_OF_HEADING = re.compile(r"(?:(?<=\s)|^)(?=#+\s*$)")


def escape_light(text: str) -> str:
    """Escape characters that are nearly always markup."""
    text = _LIGHT.sub(lambda match: "".join(f"\\{char}" for char in match.group()), text)
    return _REFERENCE.sub("&amp;", text)


def escape_fully(text: str) -> str:
    """Escape all punctuation that can be markup."""
    text = _FULL.sub(
        lambda match: match.group() if match.group() in _RARE else f"\\{match.group()}", text
    )
    return text.replace("![", "\\![")


ESCAPES = (escape_light, escape_fully)
"""From those that change little to those that are always right."""


def escape_line_start(text: str) -> str:
    """Escape what would begin a list, a heading or another block at the beginning of a line."""
    if match := _NUMBER.match(text):
        return f"{match.group()}\\{text[match.end() :]}"
    return f"\\{text}" if _LINE_START.match(text) else text


def escape_heading_end(text: str) -> str:
    """Escape number signs that would close a heading."""
    return _END_OF_HEADING.sub(r"\\", text)

"""What happens to text around SentencePiece, so that encoding followed by decoding gives a text that can be foretold."""

import re
from collections.abc import Sequence

WORD_BOUNDARY = "\u2581"
"""How SentencePiece writes a space inside pieces; a text cannot hold this character as itself."""

_SINGLE_REPLACED = "\0\n\r\u2581"
_REPLACED = re.compile(f"[{_SINGLE_REPLACED}\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\n\r]+")


def _replacement(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\0":
        return ""
    return " " if char in ("\n", "\r", WORD_BOUNDARY) else "\ufffd"


def sanitize(text: str) -> str:
    """Make a text ready for SentencePiece: replace what it could not give back, or what must not come back.

    LF and CR become spaces, since a segment is one line. U+2581 becomes a space, as which SentencePiece reads it. NUL goes, since
    SentencePiece's trainer refuses it. Half a surrogate pair, which has no UTF-8, becomes U+FFFD. All else is left to the model's own
    normalization.
    """
    return _REPLACED.sub(_replacement, text)


def sanitize_all(texts: Sequence[str]) -> list[str]:
    """`clean` for many texts: nearly always there is nothing to do, which all of them together tell in no time."""
    joined = "".join(texts)
    if not any(char in joined for char in _SINGLE_REPLACED) and _has_utf8(joined):
        return list(texts)
    return [sanitize(text) for text in texts]


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_one_line(text: str) -> str:
    """Put a space for each run of LF and CR. A model with byte pieces can write them, and one segment must stay one line."""
    return _LINE_BREAKS.sub(" ", text)

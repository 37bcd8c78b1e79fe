"""Normalization of text before and after SentencePiece, so that a round trip is predictable."""

import re
from collections.abc import Sequence

WORD_BOUNDARY = "\u2581"
"""How SentencePiece writes a space within tokens. A text cannot contain this character itself."""

_SINGLE_REPLACED = "\0\n\r\u2581"
_REPLACED = re.compile(f"[{_SINGLE_REPLACED}\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\n\r]+")


def _replacement(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\0":
        return ""
    return " " if char in ("\n", "\r", WORD_BOUNDARY) else "\ufffd"


def sanitize(text: str) -> str:
    """Replace characters that SentencePiece cannot return, or that it must not return.

    LF and CR become spaces, since a segment is one line, and so does U+2581, which SentencePiece
    reads as a space. NUL is removed, since SentencePiece's trainer rejects it. A lone surrogate,
    which UTF-8 cannot encode, becomes U+FFFD. All other normalization is the model's.
    """
    return _REPLACED.sub(_replacement, text)


def sanitize_all(texts: Sequence[str]) -> list[str]:
    """Sanitize many texts; checking all of them at once is fast and rarely finds anything."""
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
    """Replace each run of LF and CR by a space; a model with byte tokens can generate them."""
    return _LINE_BREAKS.sub(" ", text)

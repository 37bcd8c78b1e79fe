"""Text of segments with inline codes, as TMX and XLIFF have them."""

import re

from mtkit.corpus.languages import is_variety_of, word_separator
from mtkit.corpus.placeholders import PLACEHOLDER

_PAIRED_CODES = frozenset(["bpt", "ept"])
"""Start and end of formatting; their content is not text."""
_SINGLE_CODES = frozenset(["it", "ut"])
"""Isolated formatting, and codes of unknown kind; some tools write placeholders this way."""
# Neither character is valid in XML.
_CODE, EMPTY = "\0", "\1"
"""Marks an omitted code, and an element without text that may have a meaning."""
_GAP = re.compile(f"(\\s*)([{_CODE}{EMPTY}](?:\\s*[{_CODE}{EMPTY}])*)(\\s*)")
_CLOSING, _OPENING = ".,;:!?)]}…、。，", "([{¿¡"
_FRENCH_CLOSING = ".,)]}…"


def inline_text(tag: str, content: str) -> str:
    """Return the text that remains of an element within a segment."""
    if tag in _PAIRED_CODES:
        return _CODE
    if tag in _SINGLE_CODES:
        return (
            content if content[:1] in ("{", "$", "%") and PLACEHOLDER.fullmatch(content) else _CODE
        )
    if tag == "hi":
        return content or _CODE
    return content if content.strip() else EMPTY


def close_gaps(text: str, lang: str) -> str:
    """Close the gaps that omitted elements leave."""
    if _CODE not in text and EMPTY not in text:
        return text
    closing = _FRENCH_CLOSING if is_variety_of(lang, "fr") or lang == "fr" else _CLOSING

    def close(gap: re.Match[str]) -> str:
        before, marks, after = gap.groups()
        left, right = text[: gap.start()][-1:], text[gap.end() :][:1]
        if not left or not right:
            return ""
        if before and after:
            return before
        if (before and right in closing) or (after and left in _OPENING):
            return ""
        is_between_words = EMPTY in marks and left.isalnum() and right.isalnum()
        return before or after or (word_separator(lang) if is_between_words else "")

    return _GAP.sub(close, text)

"""Fix a text: remove invisible characters, unescape entities, normalize Unicode and spaces."""

import html
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from html.entities import html5
from typing import Literal

from mtkit.config.clean import CleanConfig

FIXES = {
    "invisible": "invisible characters removed",
    "entities": "HTML entities replaced by their characters",
    "normal_form": "changed to the Unicode normal form",
    "spaces": "runs of spaces shortened to one, spaces at the ends removed",
}
"""Fixes by the key of `clean:` that enables them."""

_INVISIBLE = re.compile(
    # Control characters, except for white space. Joiners are kept: Persian and Indic spelling and
    # emoji need them.
    "[\x00-\x08\x0e-\x1b\x7f-\x9f\xad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
    # A zero-width space is kept where it separates words: in Thai, Lao, Burmese and Khmer.
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)
_ENTITY = re.compile(
    "(?<![`'\"\u2018\u201c])&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
    "(?![`'\"\u2019\u201d])"
)
_LINE_BREAK = re.compile("[\n\r]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class TextFixer:
    """Fixes texts as a recipe says. Fixing a text twice changes nothing.

    A fixed text contains neither line breaks nor lone surrogates.

    Args:
        config: The enabled fixes.
    """

    def __init__(self, config: CleanConfig) -> None:
        self._form: Literal["NFC", "NFKC"] | None = (
            None if config.normal_form == "none" else config.normal_form
        )
        replace_surrogates = partial(_SURROGATE.sub, "\ufffd")
        replace_line_breaks = partial(_LINE_BREAK.sub, " ")
        self._fixes: dict[str, Callable[[str], str]] = {
            "invisible": _remove_invisible if config.invisible else replace_surrogates
        }
        if config.entities:
            self._fixes["entities"] = _unescape_entities
        if self._form is not None:
            self._fixes["normal_form"] = partial(unicodedata.normalize, self._form)
        self._fixes["spaces"] = _normalize_spaces if config.spaces else replace_line_breaks

    def fix(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Fix a text.

        Returns:
            The text, and the names of the FIXES that changed it.
        """
        if (
            # No control characters, and no white space other than plain spaces.
            text.isprintable()
            and "&" not in text
            and "  " not in text
            and text[:1] != " "
            and text[-1:] != " "
            and (
                self._form is None or text.isascii() or unicodedata.is_normalized(self._form, text)
            )
        ):
            return text, ()
        return self._fix_repeatedly(text)

    def _fix_repeatedly(self, text: str) -> tuple[str, tuple[str, ...]]:
        applied = set()
        before = None
        # One fix may make another necessary: `&amp;lt;`, or an entity with a soft hyphen in it.
        # Each round shortens the text, so the loop ends.
        while text != before:
            before = text
            for name, fix in self._fixes.items():
                old, text = text, fix(text)
                if text != old:
                    applied.add(name)
        return text, tuple(name for name in FIXES if name in applied)


def _remove_invisible(text: str) -> str:
    return _INVISIBLE.sub(_visible_form, text)


def _visible_form(match: re.Match[str]) -> str:
    char = match.group()
    if "\x80" <= char <= "\x9f":
        return bytes([ord(char)]).decode("cp1252", errors="ignore")
    return "\ufffd" if "\ud800" <= char <= "\udfff" else ""


def _unescape_entities(text: str) -> str:
    return _ENTITY.sub(_entity_text, text) if "&" in text else text


def _entity_text(match: re.Match[str]) -> str:
    entity = match.group()
    # `html.unescape` would replace a known name at the start of an unknown one.
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _normalize_spaces(text: str) -> str:
    return " ".join(text.split())

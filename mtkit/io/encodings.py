"""Guess the encoding of text that is not UTF-8, and suggest the command that converts it."""

import codecs
import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import PurePath

from mtkit.io.compression import compression_of

_SAMPLE_CHARS = 1 << 18
"""Characters that are checked for plausibility; all bytes must be valid in an encoding."""
_MAX_NAMED = 4
_MIXED_SHARE = 0.1
"""Above this ratio of valid to invalid non-ASCII lines, a file is a mixture of encodings."""
_TYPOGRAPHY = frozenset("\xa0‘’‚‛“”„‟«»‹›–—…•·°§€£©®™¿¡ªº²³½¼¾×´†‡‰")
"""Symbols of ordinary text; others, such as ¶ and ¬, are typical of text in a wrong encoding."""
_LATIN_TYPOGRAPHY = _TYPOGRAPHY - frozenset("ªº²³¼¾´†‡‰")
_MAX_FOREIGN_SHARE = 0.05
_MAX_MIXED_WORDS = 0.3
"""Words with letters of two scripts are rare in text, but frequent in a wrong encoding."""
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that do not occur in text."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def conversion_hint(data: bytes, name: str, lang: str = "") -> str:
    """Return how to convert text that is not UTF-8.

    An encoding is suggested if it decodes all invalid lines to plausible text. If none of these
    encodings is usual for the language, all that give different texts are listed with an excerpt.

    Args:
        data: Lines of the file, at least one of them invalid.
        name: The file; without `lang`, a suffix such as `.ko` gives the language.
        lang: Language code of the text; empty if unknown.
    """
    lines = data.split(b"\n")
    bad = [line for line in lines if decode(line, "UTF-8") is None]
    n_good = sum(1 for line in lines if not line.isascii()) - len(bad)
    is_mixed = n_good > _MIXED_SHARE * len(bad)
    texts = _decoded(b"\n".join(bad), lang or _lang_of(name))
    if not texts:
        if BINARY.search(data):
            return "it contains bytes that do not occur in text; check that it is a text file"
        if is_mixed:
            return "correct that line; other lines are UTF-8"
        return "its encoding is unknown; once you know it, use `iconv -f ENCODING -t UTF-8`"
    excerpts = zip(texts, _excerpts(list(texts.values())), strict=True)
    reading = " or ".join(f"{encoding} ({excerpt})" for encoding, excerpt in excerpts)
    command = f"iconv -f {'ENCODING' if len(texts) > 1 else next(iter(texts))} -t UTF-8"
    if is_mixed:
        return (
            f"other lines are UTF-8; the invalid ones look like {reading}; convert only "
            f"those, with `{command}`"
        )
    return (
        f"it looks like {reading}; if that is right, convert it with "
        f"`{shell_command(command, name)}`"
    )


def shell_command(command: str, name: str) -> str:
    """Return a shell command with a file, compressed or not, as its input."""
    if name == "stdin":
        return command
    if compression := compression_of(name):
        return f"{compression} -dc {shlex.quote(name)} | {command} > NEW"
    return f"{command} < {shlex.quote(name)} > NEW"


def decode(data: bytes, encoding: str, *, is_whole: bool = True) -> str | None:
    """Decode bytes, which may end within a character if they are not whole; None if invalid."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, is_whole)
    except UnicodeDecodeError:
        return None


def has_controls(text: str) -> bool:
    """Whether a text contains control characters, which ordinary text does not."""
    return _CONTROLS.search(text) is not None


def _lang_of(name: str) -> str:
    """Return the last suffix of a file name that is a language with legacy encodings."""
    langs = {lang for langs, _ in _ENCODINGS.values() for lang in langs.split()}
    suffixes = (suffix[1:] for suffix in reversed(PurePath(name).suffixes))
    return next((suffix for suffix in suffixes if _base(suffix) in langs), "")


def _base(lang: str) -> str:
    return re.split("[-_]", lang.lower())[0]


def _decoded(data: bytes, lang: str) -> dict[str, str]:
    """Decode with the plausible encodings: the first usual for the language, or else all."""
    usual = {name for name, (langs, _) in _ENCODINGS.items() if _base(lang) in langs.split()}
    texts: dict[str, str] = {}
    for encoding in sorted(_ENCODINGS, key=lambda name: name not in usual):
        text = decode(data, encoding)
        is_plausible = text is not None and _ENCODINGS[encoding][1](text[:_SAMPLE_CHARS])
        if text is not None and is_plausible and text not in texts.values():
            texts[encoding] = text
            if encoding in usual:
                break
    return dict(islice(texts.items(), _MAX_NAMED))


def _excerpts(texts: Sequence[str]) -> list[str]:
    """Return the first words in which the texts differ, so that a reader can choose."""
    if len(texts) == 1:
        return [_excerpt(texts[0], next(i for i, c in enumerate(texts[0]) if not c.isascii()))]
    for readings in zip(*(text.split("\n") for text in texts), strict=False):
        if len(set(readings)) == len(texts):
            columns = enumerate(zip(*readings, strict=False))
            first = next((i for i, chars in columns if len(set(chars)) == len(texts)), 0)
            return [_excerpt(reading, first) for reading in readings]
    return [_excerpt(text, 0) for text in texts]


def _excerpt(text: str, index: int) -> str:
    """Return the words around a character of a text."""
    start = max(text.rfind(" ", 0, max(0, index - 10)) + 1, index - 20, 0)
    return " ".join(text[start : start + 30].split())


def _share(chars: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, chars)) / len(chars) if chars else 0.0


def _is_script(char: str, *scripts: str) -> bool:
    return unicodedata.name(char, "").startswith(scripts)


def _is_plain(text: str, typography: frozenset[str], *scripts: str) -> bool:
    """Whether text is well-cased, and nearly all of its non-ASCII characters are of these scripts.

    Control characters are not plain text.
    """
    chars = [char for char in text if not char.isascii()]
    if not chars or has_controls(text):
        return False
    foreign = _share(chars, lambda char: char not in typography and not _is_script(char, *scripts))
    return foreign <= _MAX_FOREIGN_SHARE and _is_well_cased(text)


def _is_well_cased(text: str) -> bool:
    """Whether capitals only begin words or make up whole words."""
    words = [word for word in re.findall(r"[^\W\d_]{2,}", text) if not word.isascii()]
    n_odd = sum(
        word != word.lower() and word[1:] != word[1:].lower() and word != word.upper()
        for word in words
    )
    n_upper, n_lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    return 20 * n_odd <= len(words) and n_upper <= max(n_lower, 2)


def _alphabet(*scripts: str) -> Callable[[str], bool]:
    """Make a test for text whose non-ASCII characters are well-cased letters of a script."""

    def fits(text: str) -> bool:
        return _is_plain(text, _TYPOGRAPHY, *scripts) and any(
            _is_script(char, *scripts) for char in _letters(text)
        )

    return fits


def _latin(text: str) -> bool:
    """Whether a minority of the letters has accents, as in every language in Latin script."""
    letters = [char for char in text if char.isalpha()]
    n_accented = sum(1 for char in letters if not char.isascii())
    return 5 * n_accented <= 2 * len(letters) and _is_plain(
        text, _LATIN_TYPOGRAPHY, "LATIN", "COMBINING"
    )


def _korean(text: str) -> bool:
    return _share(_letters(text), lambda char: "\uac00" <= char <= "\ud7a3") >= 0.85


def _japanese(text: str) -> bool:
    def is_kana(char: str) -> bool:
        return "\u3041" <= char <= "\u30ff"

    letters = _letters(text)
    return (
        _share(letters, is_kana) >= 0.15
        and _share(letters, lambda char: is_kana(char) or _is_script(char, "CJK")) >= 0.95
    )


def _chinese(plain: str, last_common: int) -> Callable[[str], bool]:
    """Make a test for text of mostly common characters, which an encoding lists first.

    Args:
        plain: The encoding with this order.
        last_common: First byte of its last common character.
    """

    def is_common(char: str) -> bool:
        code = char.encode(plain, "ignore")
        return _is_script(char, "CJK") and len(code) == 2 and code[0] <= last_common

    return lambda text: _share(_letters(text), is_common) >= 0.85


def _letters(text: str) -> list[str]:
    """Return the non-ASCII letters; none if words mix them with ASCII, or if there are controls."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    n_mixed = sum(1 for word in words if re.search("[A-Za-z]", word))
    if has_controls(text) or n_mixed > _MAX_MIXED_WORDS * len(words):
        return []
    return [char for word in words for char in word if not char.isascii()]


_WESTERN = (
    "en eng de deu fr fra es spa it ita pt por nl nld sv swe da dan no nb nn fi fin is isl "
    "ca gl eu ga af id ms"
)
_CENTRAL = "pl pol cs ces sk slk hu hun sl slv hr hrv bs bos ro ron"
_cyrillic = _alphabet("CYRILLIC")
_arabic = _alphabet("ARABIC", "ZERO WIDTH", "RIGHT-TO-LEFT", "LEFT-TO-RIGHT")
# If the language is unknown, the stricter tests come first.
_ENCODINGS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "CP949": ("ko kor", _korean),
    "EUC-JP": ("ja jpn", _japanese),
    "CP932": ("ja jpn", _japanese),
    "CP1251": ("ru rus uk ukr be bel bg bul mk mkd sr srp kk ky mn tg tt ba cv", _cyrillic),
    "KOI8-R": ("ru rus", _cyrillic),
    "KOI8-U": ("uk ukr", _cyrillic),
    "CP866": ("ru rus be bel", _cyrillic),
    "ISO-8859-5": ("ru rus bg bul sr srp mk", _cyrillic),
    "CP1253": ("el ell grc", _alphabet("GREEK")),
    "CP1255": ("he heb iw yi", _alphabet("HEBREW")),
    "CP1256": ("ar ara fa fas per ur urd ps ug", _arabic),
    "CP874": ("th tha", _alphabet("THAI")),
    "GB18030": ("zh zho cmn yue wuu", _chinese("gb2312", 0xD7)),
    "CP950": ("zh zho cmn yue", _chinese("big5", 0xC6)),
    "CP1252": (_WESTERN, _latin),
    "CP1250": (_CENTRAL, _latin),
    "ISO-8859-2": (_CENTRAL, _latin),
    "CP1254": ("tr tur az aze ku", _latin),
    "CP1257": ("lt lit lv lav et est", _latin),
    "CP1258": ("vi vie", _latin),
}
"""For each encoding, named as iconv and Python do, the languages that use it, and whether decoded
text is plausible.
"""

"""Detection of files that are not UTF-8 text, with the command that converts them."""

import codecs
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePath
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.compression import SUFFIXES

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
_WIDE_SAMPLE_BYTES = 1 << 14
WIDE_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte order marks."""


class _Encoding(NamedTuple):
    """A legacy encoding; its key in `_ENCODINGS` is its name in both iconv and Python."""

    langs: frozenset[str]
    fits: Callable[[str], bool]
    """Whether the decoded text is plausible."""


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
    bad = [line for line in lines if not _is_utf8(line)]
    n_good = sum(1 for line in lines if not line.isascii()) - len(bad)
    is_mixed = n_good > _MIXED_SHARE * len(bad)
    texts = _decoded(bad, lang or _lang_of(name))
    if not texts:
        if _BINARY.search(data):
            return "it contains bytes that do not occur in text; check that it is a text file"
        if is_mixed:
            return "correct that line; other lines are UTF-8"
        return "its encoding is unknown; once you know it, use `iconv -f ENCODING -t UTF-8`"
    encoding = "ENCODING" if len(texts) > 1 else next(iter(texts))
    excerpts = _excerpts(texts).items()
    reading = " or ".join(f"{encoding} ({excerpt})" for encoding, excerpt in excerpts)
    if is_mixed:
        return (
            f"other lines are UTF-8; the invalid ones look like {reading}; convert only "
            f"those, with `iconv -f {encoding} -t UTF-8`"
        )
    return f"it looks like {reading}; if that is right, convert it with `{_iconv(encoding, name)}`"


def refuse_other_than_text(start: bytes, name: str) -> None:
    """Refuse a document, an archive, UTF-16, ISO-2022 or lines that end in CR alone.

    Args:
        start: First bytes of the file, decompressed.
        name: Name of the file in errors.
    Raises:
        MtkitError: It is one of these.
    """
    refuse_document(start, name)
    if encoding := _wide_encoding(start) or _escape_encoding(start):
        raise MtkitError(
            f"`{name}`: is {encoding}, not UTF-8", f"convert it with `{_iconv(encoding, name)}`"
        )
    n_crs = len(_INNER_CR.findall(start)) if b"\r" in start else 0
    # A few CRs within lines are part of the text; ten per line are line ends.
    if n_crs > 10 * start.count(b"\n", 0, -1) + start.endswith(b"\n"):
        hint = f"convert it with `{_command(_CR_TO_LF, name)}`"
        raise MtkitError(f"`{name}`: its lines end in CR alone, as on old Macs", hint)


def refuse_document(start: bytes, name: str) -> None:
    """Refuse a document or an archive, recognised by its first bytes.

    Args:
        start: First bytes of the file, decompressed.
        name: Name of the file in errors.
    Raises:
        MtkitError: It is one of these.
    """
    for mark, (what, hint) in DOCUMENTS.items():
        if start.startswith(mark):
            if what == "a ZIP archive":
                what, hint = next(
                    (kind for part, kind in _ZIP_PARTS.items() if part in start), (what, hint)
                )
            raise MtkitError(f"`{name}`: is {what}, not text", hint)
    if start[257:262] == b"ustar":
        raise MtkitError(
            f"`{name}`: is a tar archive, not text",
            "unpack it with `tar -xf`, and give the files in it",
        )


_SAVE_AS_TEXT = "save it as plain text in UTF-8, one sentence per line"
_SAVE_AS_CSV = "save it as CSV in UTF-8"
_UNPACK = "unpack it, and give the files in it"
DOCUMENTS = {
    b"PK\x03\x04": ("a ZIP archive", _UNPACK),
    b"%PDF-": ("a PDF document", "extract its text first, for example with `pdftotext`"),
    b"{\\rtf": ("an RTF document", _SAVE_AS_TEXT),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "a document of an old Microsoft Office (.doc, .xls or .ppt)",
        _SAVE_AS_TEXT,
    ),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"BZh91AY&SY": (
        "a bzip2 file",
        "decompress it with `bunzip2`, or use gzip, xz or zstd instead",
    ),
    b"PAR1\x15": ("a Parquet file", "give it as a corpus `file` with a name that ends in .parquet"),
    b"SQLite format 3\0": ("an SQLite database", "export its sentences as text or CSV"),
}
"""First bytes of files that are not text, with their kind and a hint."""
_ZIP_PARTS = {
    b"word/": ("a Word document (.docx)", _SAVE_AS_TEXT),
    b"xl/": ("an Excel workbook (.xlsx)", _SAVE_AS_CSV),
    b"ppt/": ("a PowerPoint presentation (.pptx)", _SAVE_AS_TEXT),
    b"opendocument.spreadsheet": ("an OpenDocument spreadsheet (.ods)", _SAVE_AS_CSV),
    b"opendocument": ("an OpenDocument file", _SAVE_AS_TEXT),
    b"application/epub+zip": ("an EPUB book", _SAVE_AS_TEXT),
}
_INNER_CR = re.compile(rb"(?<=[^\r\n])\r+(?=[^\r\n])")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_CR_TO_LF = "tr '\\r' '\\n'"
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_ESCAPES = {
    b"\x1b$B": "ISO-2022-JP",
    b"\x1b$@": "ISO-2022-JP",
    b"\x1b$)C": "ISO-2022-KR",
    b"\x1b$)A": "ISO-2022-CN",
}


def _iconv(encoding: str, name: str) -> str:
    return _command(f"iconv -f {encoding} -t UTF-8", name)


def _command(command: str, name: str) -> str:
    """Return a shell command with a file, compressed or not, as its input."""
    if name == "stdin":
        return command
    compression = SUFFIXES.get(PurePath(name).suffix)
    return (
        f"{compression} -dc {shlex.quote(name)} | {command} > NEW"
        if compression
        else f"{command} < {shlex.quote(name)} > NEW"
    )


def _lang_of(name: str) -> str:
    """Return the last suffix of a file name that is a language with legacy encodings."""
    return next(
        (suffix[1:] for suffix in reversed(PurePath(name).suffixes) if _base(suffix[1:]) in _LANGS),
        "",
    )


def _base(lang: str) -> str:
    return re.split("[-_]", lang.lower())[0]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(start: bytes) -> str | None:
    """Detect UTF-16 or UTF-32, with or without a byte order mark."""
    if mark := next((mark for mark in WIDE_MARKS if start.startswith(mark)), None):
        return WIDE_MARKS[mark]
    sample = start[:_WIDE_SAMPLE_BYTES]
    # A space or LF in UTF-16 has one zero byte, and a letter up to U+1FFF one control byte. If
    # these are rarer, the file is text with a few wrong bytes.
    n_zeros, n_controls = sample.count(0), len(_BINARY.findall(sample))
    if (
        len(start) < 8
        or len(start) % 2
        or n_zeros < 2
        or 200 * n_zeros < len(sample)
        or (4 * n_controls < len(sample) and _beginning(sample, "UTF-8") is not None)
    ):
        return None
    for encoding in ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE"):
        text = _beginning(sample, encoding)
        if text and not _has_controls(text):
            n_plain = sum(1 for char in text if char.isascii())
            # In the wrong byte order, a space is U+2000 and an LF U+0A00.
            if n_plain > sum(1 for char in text if not ord(char) & 0xFF):
                return encoding
    return None


def _beginning(data: bytes, encoding: str) -> str | None:
    """Decode data that may end within a character; None if it is invalid."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None


def _escape_encoding(start: bytes) -> str | None:
    """Detect an encoding of ASCII bytes that switches character sets by escape sequences."""
    return (
        next((encoding for escape, encoding in _ESCAPES.items() if escape in start), None)
        if b"\x1b" in start
        else None
    )


def _decoded(lines: list[bytes], lang: str) -> dict[str, str]:
    """Decode with the plausible encodings: the first usual for the language, or else all."""
    base = _base(lang)
    usual = {encoding: fits for encoding, (langs, fits) in _ENCODINGS.items() if base in langs}
    texts: dict[str, str] = {}
    for encoding, fits in (
        usual | {encoding: fits for encoding, (_, fits) in _ENCODINGS.items()}
    ).items():
        text = _decode(lines, encoding, fits)
        if text is not None and text not in texts.values():
            texts[encoding] = text
            if encoding in usual:
                break
    return dict(islice(texts.items(), _MAX_NAMED))


def _decode(lines: list[bytes], encoding: str, fits: Callable[[str], bool]) -> str | None:
    try:
        text = b"\n".join(lines).decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if fits(text[:_SAMPLE_CHARS]) else None


def _excerpts(texts: dict[str, str]) -> dict[str, str]:
    """Return the first words in which the texts differ, so that a reader can choose."""
    if len(texts) == 1:
        ((encoding, text),) = texts.items()
        return {
            encoding: _excerpt(
                text, next(index for index, char in enumerate(text) if not char.isascii())
            )
        }
    for readings in zip(*(text.split("\n") for text in texts.values()), strict=False):
        if len(set(readings)) == len(texts):
            first = next(
                (
                    index
                    for index, chars in enumerate(zip(*readings, strict=False))
                    if len(set(chars)) == len(texts)
                ),
                0,
            )
            return {
                encoding: _excerpt(reading, first)
                for encoding, reading in zip(texts, readings, strict=True)
            }
    return {encoding: _excerpt(text, 0) for encoding, text in texts.items()}


def _has_controls(text: str) -> bool:
    return _CONTROLS.search(text) is not None


def _excerpt(text: str, index: int) -> str:
    """Return the words around a character of a text."""
    start = max(text.rfind(" ", 0, max(0, index - 10)) + 1, index - 20, 0)
    return " ".join(text[start : start + 30].split())


def _foreign_share(text: str, is_own: Callable[[str], bool]) -> float:
    """Return the share of non-ASCII characters outside a script; 1 with control characters."""
    chars = [char for char in text if not char.isascii()]
    if not chars or _has_controls(text):
        return 1.0
    return sum(1 for char in chars if not is_own(char)) / len(chars)


def _is_well_cased(text: str) -> bool:
    """Whether capitals only begin words or make up whole words."""
    words = [word for word in re.findall(r"[^\W\d_]{2,}", text) if not word.isascii()]
    n_odd = sum(
        1
        for word in words
        if word != word.lower() and word[1:] != word[1:].lower() and word != word.upper()
    )
    n_upper = sum(1 for char in text if char.isupper())
    n_lower = sum(1 for char in text if char.islower())
    return 20 * n_odd <= len(words) and n_upper <= max(n_lower, 2)


def _alphabet(*scripts: str) -> Callable[[str], bool]:
    """Make a test for text whose non-ASCII characters are well-cased letters of a script."""

    def is_own(char: str) -> bool:
        return unicodedata.name(char, "").startswith(scripts)

    def fits(text: str) -> bool:
        share = _foreign_share(text, lambda char: char in _TYPOGRAPHY or is_own(char))
        return (
            share <= _MAX_FOREIGN_SHARE
            and _is_well_cased(text)
            and any(map(is_own, _letters(text)))
        )

    return fits


def _latin(text: str) -> bool:
    """Whether a minority of the letters has accents, as in every language in Latin script."""
    share = _foreign_share(
        text,
        lambda char: (
            char in _LATIN_TYPOGRAPHY
            or unicodedata.name(char, "").startswith(("LATIN", "COMBINING"))
        ),
    )
    letters = [char for char in text if char.isalpha()]
    n_accented = sum(1 for char in letters if not char.isascii())
    return (
        share <= _MAX_FOREIGN_SHARE and 5 * n_accented <= 2 * len(letters) and _is_well_cased(text)
    )


def _korean(text: str) -> bool:
    letters = _letters(text)
    return bool(letters) and sum(
        1 for char in letters if "\uac00" <= char <= "\ud7a3"
    ) >= 0.85 * len(letters)


def _japanese(text: str) -> bool:
    letters = _letters(text)
    n_kana = sum(1 for char in letters if "\u3041" <= char <= "\u30ff")
    n_han = sum(1 for char in letters if _is_han(char))
    return n_kana >= 0.15 * len(letters) > 0 and n_kana + n_han >= 0.95 * len(letters)


def _chinese(plain: str, last_common: int) -> Callable[[str], bool]:
    """Make a test for text of mostly common characters, which an encoding lists first.

    Args:
        plain: The encoding with this order.
        last_common: First byte of its last common character.
    """

    def is_common(char: str) -> bool:
        code = char.encode(plain, "ignore")
        return len(code) == 2 and code[0] <= last_common

    def fits(text: str) -> bool:
        letters = _letters(text)
        return bool(letters) and sum(
            1 for char in letters if _is_han(char) and is_common(char)
        ) >= 0.85 * len(letters)

    return fits


def _is_han(char: str) -> bool:
    return unicodedata.name(char, "").startswith("CJK")


def _letters(text: str) -> list[str]:
    """Return the non-ASCII letters; none if words mix them with ASCII, or if there are controls."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    n_mixed = sum(1 for word in words if re.search("[A-Za-z]", word))
    if _has_controls(text) or n_mixed > _MAX_MIXED_WORDS * len(words):
        return []
    return [char for word in words for char in word if not char.isascii()]


def _entries() -> Iterator[tuple[str, str, Callable[[str], bool]]]:
    # If the language is unknown, the stricter tests come first.
    yield "CP949", "ko kor", _korean
    yield "EUC-JP", "ja jpn", _japanese
    yield "CP932", "ja jpn", _japanese
    yield (
        "CP1251",
        "ru rus uk ukr be bel bg bul mk mkd sr srp kk ky mn tg tt ba cv",
        _alphabet("CYRILLIC"),
    )
    yield "KOI8-R", "ru rus", _alphabet("CYRILLIC")
    yield "KOI8-U", "uk ukr", _alphabet("CYRILLIC")
    yield "CP866", "ru rus be bel", _alphabet("CYRILLIC")
    yield "ISO-8859-5", "ru rus bg bul sr srp mk", _alphabet("CYRILLIC")
    yield "CP1253", "el ell grc", _alphabet("GREEK")
    yield "CP1255", "he heb iw yi", _alphabet("HEBREW")
    yield (
        "CP1256",
        "ar ara fa fas per ur urd ps ug",
        _alphabet("ARABIC", "ZERO WIDTH", "RIGHT-TO-LEFT", "LEFT-TO-RIGHT"),
    )
    yield "CP874", "th tha", _alphabet("THAI")
    yield "GB18030", "zh zho cmn yue wuu", _chinese("gb2312", 0xD7)
    yield "CP950", "zh zho cmn yue", _chinese("big5", 0xC6)
    yield (
        "CP1252",
        (
            "en eng de deu fr fra es spa it ita pt por nl nld sv swe da dan no nb nn fi fin is isl "
            "ca gl eu ga af id ms"
        ),
        _latin,
    )
    yield "CP1250", "pl pol cs ces sk slk hu hun sl slv hr hrv bs bos ro ron", _latin
    yield "ISO-8859-2", "pl pol cs ces sk slk hu hun sl slv hr hrv bs bos ro ron", _latin
    yield "CP1254", "tr tur az aze ku", _latin
    yield "CP1257", "lt lit lv lav et est", _latin
    yield "CP1258", "vi vie", _latin


_ENCODINGS = {name: _Encoding(frozenset(langs.split()), fits) for name, langs, fits in _entries()}
_LANGS = frozenset(lang for encoding in _ENCODINGS.values() for lang in encoding.langs)

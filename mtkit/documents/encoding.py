"""Bytes of a document to text and back, so that unedited parts keep every byte."""

import re
from pathlib import Path
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason, permission_hint
from mtkit.io.encodings import conversion_hint

MAX_BYTES = 1 << 28
"""Maximum size of a document, which is held in memory: 256 MiB."""
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_IN_MARKUP = re.compile(
    rb"""<meta\b[^>]{0,200}\bcharset\s*=\s*["']?\s*([\w.:-]+)"""
    rb"""|^\s*<\?xml\b[^>]{0,100}\bencoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_IN_CATALOG = re.compile(rb"""^"Content-Type:[^"\n]*\bcharset=([\w.:-]+)""", re.MULTILINE)
_DECLARATION_BYTES, _HEADER_BYTES = 1024, 1 << 16
"""Bytes in which declarations of markup and of gettext catalogs are searched."""
_WEB_NAMES = {
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "utf-16": "utf-8",
    "charset": "utf-8",  # in a template of a gettext catalog
}
"""Encodings that the WHATWG Encoding Standard replaces by larger ones, or by the intended ones."""


class Encoding(NamedTuple):
    """Encoding of a document."""

    name: str
    mark: bytes = b""
    """Byte order mark."""

    def encode(self, text: str, errors: str, name: str) -> bytes:
        """Return the bytes of a text.

        Args:
            text: Text of a document.
            errors: Treatment of characters that the encoding lacks, as in `str.encode`.
            name: Name of the document in errors.
        Raises:
            MtkitError: The encoding lacks a character.
        """
        try:
            return self.mark + text.encode(self.name, errors)
        except UnicodeEncodeError as exc:
            char = text[exc.start]
            raise MtkitError(
                f"`{name}`: the translation contains {char!r}, which {self.name} cannot represent",
                "convert the document to UTF-8 first, with `iconv -t UTF-8`",
            ) from exc


UTF_8 = Encoding("utf-8")


def decode(data: bytes, name: str, *, declares_encoding: bool) -> tuple[str, Encoding]:
    """Return the text of a document, and its encoding.

    A byte order mark decides the encoding, then a declaration in HTML, XML or the
    header of a gettext catalog; the default is UTF-8.

    Args:
        data: Bytes of the document.
        name: Name of the document in errors.
        declares_encoding: Whether it may have a declaration.
    Raises:
        MtkitError: The bytes are not valid.
    """
    mark = next((mark for mark in _BYTE_ORDER_MARKS if data.startswith(mark)), b"")
    declared = None
    if declares_encoding and not mark:
        declared = _IN_MARKUP.search(data[:_DECLARATION_BYTES])
        declared = declared or _IN_CATALOG.search(data[:_HEADER_BYTES])
    label = next(filter(None, declared.groups()), b"utf-8").decode() if declared else "utf-8"
    codec = _BYTE_ORDER_MARKS.get(mark) or _WEB_NAMES.get(label.lower(), label)
    data = data.removeprefix(mark)
    try:
        text = data.decode(codec)
    except LookupError as exc:
        raise MtkitError(
            f"`{name}`: declares the unknown encoding {label}", "convert it to UTF-8 first"
        ) from exc
    except (UnicodeError, ValueError) as exc:
        raise _invalid(name, data, codec, exc) from exc
    if not _is_lossless(text, codec, data):
        raise MtkitError(
            f"`{name}`: its bytes are not the only way to write its text in {codec}, so that it "
            "cannot be kept byte for byte",
            "convert it to UTF-8 first",
        )
    return text, Encoding(codec, mark)


def _is_lossless(text: str, codec: str, data: bytes) -> bool:
    try:
        return text.encode(codec) == data
    except UnicodeError:
        return False


def read_bytes(path: Path) -> bytes:
    """Read a file that is held in memory.

    Raises:
        MtkitError: It cannot be read, or is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise MtkitError(
                f"`{path}`: {size:,} bytes are more than a document may have ({MAX_BYTES:,})",
                "split the document",
            )
        return path.read_bytes()
    except OSError as exc:
        hint = permission_hint(exc)
        raise MtkitError(f"`{path}`: cannot be read: {os_error_reason(exc)}", hint) from exc


def _invalid(name: str, data: bytes, codec: str, exc: ValueError) -> MtkitError:
    start = exc.start if isinstance(exc, UnicodeDecodeError) else 0
    line = data.count(b"\n", 0, start) + 1
    hint = conversion_hint(data[: 1 << 26], name) if codec == "utf-8" else "check the encoding"
    return MtkitError(
        f"`{name}`: line {line:,} is not valid {codec}: byte 0x{data[start]:02x} at byte "
        f"{start + 1:,} of the file",
        hint,
    )

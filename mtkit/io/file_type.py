"""Refuse files that are not plain text in UTF-8, with the command that converts them."""

import re

from mtkit.errors import MtkitError
from mtkit.io.encodings import BINARY, decode, has_controls, shell_command

_WIDE_SAMPLE_BYTES = 1 << 14
WIDE_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte order marks."""
_ESCAPES = {
    b"\x1b$B": "ISO-2022-JP",
    b"\x1b$@": "ISO-2022-JP",
    b"\x1b$)C": "ISO-2022-KR",
    b"\x1b$)A": "ISO-2022-CN",
}
"""Escape sequences by which encodings of ASCII bytes switch character sets."""
_CR_TO_LF = "tr '\\r' '\\n'"
_INNER_CR = re.compile(rb"(?<=[^\r\n])\r+(?=[^\r\n])")

_SAVE_AS_TEXT = "save it as plain text in UTF-8, one sentence per line"
_SAVE_AS_CSV = "save it as CSV in UTF-8"
_UNPACK = "unpack it, and give the files in it"
_OLD_OFFICE = "a document of an old Microsoft Office (.doc, .xls or .ppt)"
OLD_OFFICE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of documents of Microsoft Office until 2003, and of encrypted ones since."""
_DECOMPRESS = "decompress it with `bunzip2`, or use gzip, xz or zstd instead"
DOCUMENTS = {
    b"PK\x03\x04": ("a ZIP archive", _UNPACK),
    b"%PDF-": ("a PDF document", "extract its text first, for example with `pdftotext`"),
    b"{\\rtf": ("an RTF document", _SAVE_AS_TEXT),
    OLD_OFFICE_MARK: (_OLD_OFFICE, _SAVE_AS_TEXT),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"BZh91AY&SY": ("a bzip2 file", _DECOMPRESS),
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
"""Documents that are ZIP archives, recognized by a name in them."""


def refuse_other_than_text(start: bytes, name: str) -> None:
    """Refuse a document, an archive, UTF-16, ISO-2022 or lines that end in CR alone.

    Args:
        start: First bytes of the file, decompressed.
        name: Name of the file in errors.
    Raises:
        MtkitError: It is one of these.
    """
    refuse_document(start, name)
    escape_encoding = next((_ESCAPES[escape] for escape in _ESCAPES if escape in start), None)
    if encoding := _wide_encoding(start) or escape_encoding:
        hint = f"convert it with `{shell_command(f'iconv -f {encoding} -t UTF-8', name)}`"
        raise MtkitError(f"`{name}`: is {encoding}, not UTF-8", hint)
    n_crs = len(_INNER_CR.findall(start)) if b"\r" in start else 0
    # A few CRs within lines are part of the text; ten per line are line ends.
    if n_crs > 10 * start.count(b"\n", 0, -1) + start.endswith(b"\n"):
        hint = f"convert it with `{shell_command(_CR_TO_LF, name)}`"
        raise MtkitError(f"`{name}`: its lines end in CR alone, as on old Macs", hint)


def refuse_document(start: bytes, name: str) -> None:
    """Refuse a document or an archive, recognized by its first bytes.

    Args:
        start: First bytes of the file, decompressed.
        name: Name of the file in errors.
    Raises:
        MtkitError: It is one of these.
    """
    kind = next((kind for mark, kind in DOCUMENTS.items() if start.startswith(mark)), None)
    if start.startswith(b"PK\x03\x04"):
        kind = next((kind for part, kind in _ZIP_PARTS.items() if part in start), kind)
    if kind is None and start[257:262] == b"ustar":
        kind = ("a tar archive", "unpack it with `tar -xf`, and give the files in it")
    if kind is not None:
        raise MtkitError(f"`{name}`: is {kind[0]}, not text", kind[1])


def _wide_encoding(start: bytes) -> str | None:
    """Detect UTF-16 or UTF-32, with or without a byte order mark."""
    for mark, encoding in WIDE_MARKS.items():
        if start.startswith(mark):
            return encoding
    sample = start[:_WIDE_SAMPLE_BYTES]
    # A space or LF in UTF-16 has one zero byte, and a letter up to U+1FFF one control byte. If
    # these are rarer, the file is text with a few wrong bytes.
    n_zeros, n_controls = sample.count(0), len(BINARY.findall(sample))
    if (
        len(start) < 8
        or len(start) % 2
        or n_zeros < 2
        or 200 * n_zeros < len(sample)
        or (4 * n_controls < len(sample) and decode(sample, "UTF-8", is_whole=False) is not None)
    ):
        return None
    for encoding in ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE"):
        text = decode(sample, encoding, is_whole=False)
        if text and not has_controls(text):
            n_plain = sum(1 for char in text if char.isascii())
            # In the wrong byte order, a space is U+2000 and an LF U+0A00.
            if n_plain > sum(1 for char in text if not ord(char) & 0xFF):
                return encoding
    return None

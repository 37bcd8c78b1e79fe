"""Read a document in any format, from a text or from a ZIP archive."""

from pathlib import Path

from mtkit.documents.encoding import decode, read_bytes
from mtkit.documents.formats import (
    FORMATS,
    PackageFormat,
    checked_format,
    format_by_name,
    format_by_start,
    format_by_type,
)
from mtkit.documents.office.package import media_type
from mtkit.documents.segment import Document, ReadOptions
from mtkit.errors import MtkitError
from mtkit.io.atomic import convert_os_errors
from mtkit.io.file_type import refuse_document
from mtkit.io.zip_archive import ZipArchive, is_zip

_START_BYTES = 4
"""Bytes by which a ZIP archive is recognized."""


def read_document(path: Path, name: str | None, options: ReadOptions) -> tuple[str, Document]:
    """Read a document.

    Args:
        path: The document.
        name: Its format; None if its name or its content decides.
        options: Options of the formats.
    Returns:
        Name of the format, and the document.
    Raises:
        MtkitError: The file cannot be read, is in no known format, is damaged or unsafe, or has
            invalid bytes.
    """
    name = checked_format(name) if name is not None else format_by_name(path)
    data = read_bytes(path)
    if isinstance(FORMATS.get(name or ""), PackageFormat) or (name is None and is_zip(data)):
        return _unpacked(path, data, name, options)
    refuse_document(data[:512], str(path))
    return _parsed(path, data, name, options)


def format_of_package(path: Path) -> str | None:
    """Return the format of a document that is a ZIP archive; None if the file is something else.

    Raises:
        MtkitError: The file is a ZIP archive, but not a document, or damaged.
    """
    if not path.is_file():
        return None
    with convert_os_errors(path), path.open("rb") as stream:
        start = stream.read(_START_BYTES)
    if not is_zip(start):
        return None
    return format_by_type(path, media_type(ZipArchive(read_bytes(path), str(path))))


def _parsed(
    path: Path, data: bytes, name: str | None, options: ReadOptions
) -> tuple[str, Document]:
    guessed = FORMATS[name or "html"]
    assert not isinstance(guessed, PackageFormat)
    text, encoding = decode(data, str(path), declares_encoding=guessed.declares_encoding)
    name = name or format_by_start(path, text)
    format = FORMATS[name]
    assert not isinstance(format, PackageFormat)
    document = format.parse(text, options)
    document.encoding = encoding
    return name, document


def _unpacked(
    path: Path, data: bytes, name: str | None, options: ReadOptions
) -> tuple[str, Document]:
    archive = ZipArchive(data, str(path))
    found = format_by_type(path, media_type(archive))
    if name is not None and found != name:
        raise MtkitError(
            f"`{path}`: is {found}, not {name}",
            f"rename it to .{found}, or give the format {found}",
        )
    format = FORMATS[found]
    assert isinstance(format, PackageFormat)
    return found, format.unpack(archive, options)

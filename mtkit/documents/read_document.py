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
    refuse_options,
    unknown_format,
)
from mtkit.documents.office.package import media_type
from mtkit.documents.segment import Document, ReadOptions
from mtkit.errors import MtkitError
from mtkit.io.file_type import refuse_document
from mtkit.io.zip_archive import ZipArchive, is_zip


def read_document(path: Path, name: str | None, options: ReadOptions) -> tuple[str, Document]:
    """Read a document.

    Args:
        path: The document.
        name: Its format; None if its name or its content decides.
        options: Options of the formats.
    Returns:
        Name of the format, and the document.
    Raises:
        MtkitError: The file cannot be read, is in no known format, is damaged or unsafe, has
            invalid bytes, or has no fields although some are selected.
    """
    name = checked_format(name) if name is not None else format_by_name(path)
    data = read_bytes(path)
    if isinstance(FORMATS.get(name or ""), PackageFormat) or (name is None and is_zip(data)):
        name, document = _unpacked(path, data, name, options)
    else:
        refuse_document(data[:512], str(path))
        name, document = _parsed(path, data, name, options)
    if options.fields and not FORMATS[name].has_fields:
        raise MtkitError(
            f"`{path}`: {name} has no fields to select", "leave out the fields, or name the format"
        )
    return name, document


def _parsed(
    path: Path, data: bytes, name: str | None, options: ReadOptions
) -> tuple[str, Document]:
    guessed = FORMATS[name or "html"]
    assert not isinstance(guessed, PackageFormat)
    text, encoding = decode(data, str(path), declares_encoding=guessed.declares_encoding)
    name = name or format_by_start(text)
    if name is None:
        raise unknown_format(path)
    format = FORMATS[name]
    assert not isinstance(format, PackageFormat)
    refuse_options(name, options)
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
    refuse_options(found, options)
    return found, format.unpack(archive, options)

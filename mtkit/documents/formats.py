"""Formats of documents, and their recognition by name and content."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.atomic import convert_os_errors
from mtkit.io.zip_archive import ZipArchive, is_zip

if TYPE_CHECKING:
    from mtkit.documents.segment import Document, ReadOptions


class Format(NamedTuple):
    """A format of documents, which are texts."""

    parse: Callable[[str, "ReadOptions"], "Document"]
    suffixes: tuple[str, ...]
    start: re.Pattern[str]
    """Matches the beginning of a document in this format."""
    declares_encoding: bool = False
    """Whether a document may name its encoding, as HTML, XML and gettext catalogs do."""
    has_fields: bool = False
    """Whether keys or columns can be selected."""
    options: frozenset[str] = frozenset()
    """Fields of `ReadOptions` that not every format has."""


class PackageFormat(NamedTuple):
    """A format of documents, which are ZIP archives with XML in them."""

    unpack: Callable[[ZipArchive, "ReadOptions"], "Document"]
    suffixes: tuple[str, ...]
    main_types: tuple[str, ...]
    """Beginnings of the media type of a document in this format, without `application/`."""
    has_fields: bool = False
    """See `Format`."""
    options: frozenset[str] = frozenset()
    """As in `Format`."""


# The parsers are imported when they are needed: plain text asks for its format, too.
def _parse_srt(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.subtitles import SubtitleDocument

    return SubtitleDocument.parse(text, is_vtt=False)


def _parse_vtt(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.subtitles import SubtitleDocument

    return SubtitleDocument.parse(text, is_vtt=True)


def _parse_html(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.html import HtmlDocument

    return HtmlDocument.parse(text)


def _parse_json(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.json import JsonDocument

    return JsonDocument.parse(text, options)


def _parse_json_lines(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.json import JsonDocument

    return JsonDocument.parse(text, options, is_lines=True)


def _parse_csv(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.tables import TableDocument

    return TableDocument.parse(text, options, is_csv=True)


def _parse_tsv(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.tables import TableDocument

    return TableDocument.parse(text, options, is_csv=False)


def _parse_yaml(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.yaml import YamlDocument

    return YamlDocument.parse(text, options)


def _parse_markdown(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.markdown.document import MarkdownDocument

    return MarkdownDocument.parse(text, options)


def _parse_segments(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.data.segment_lines import SegmentLines

    return SegmentLines.parse(text, options)


def _parse_xliff(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.exchange.xliff import XliffDocument

    return XliffDocument.parse(text, options)


def _parse_tmx(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.exchange.tmx import TmxDocument

    return TmxDocument.parse(text, options)


def _parse_po(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.exchange.po import PoDocument

    return PoDocument.parse(text, options)


def _parse_text(text: str, options: "ReadOptions") -> "Document":
    from mtkit.documents.text import TextDocument

    return TextDocument.parse(text)


def _unpack_docx(archive: ZipArchive, options: "ReadOptions") -> "Document":
    from mtkit.documents.office.open_xml import unpack_word

    return unpack_word(archive, options)


def _unpack_pptx(archive: ZipArchive, options: "ReadOptions") -> "Document":
    from mtkit.documents.office.open_xml import unpack_slides

    return unpack_slides(archive, options)


def _unpack_xlsx(archive: ZipArchive, options: "ReadOptions") -> "Document":
    from mtkit.documents.office.open_xml import unpack_sheets

    return unpack_sheets(archive, options)


def _unpack_open_document(archive: ZipArchive, options: "ReadOptions") -> "Document":
    from mtkit.documents.office.open_document import unpack

    return unpack(archive, options)


def _unpack_epub(archive: ZipArchive, options: "ReadOptions") -> "Document":
    from mtkit.documents.office.epub import unpack

    return unpack(archive, options)


_BY_NAME_ONLY = re.compile("(?!)")


def _xml_start(root: str) -> re.Pattern[str]:
    """Return a pattern of the beginning of an XML document, up to its first tag."""
    prolog = r"(?><\?[^>]*>|<!--(?:(?!-->).)*-->|<!(?!--)[^>]*>|\s)*+"
    return re.compile(rf"{prolog}<(?:\w+:)?{root}\b", re.DOTALL)


FORMATS: dict[str, Format | PackageFormat] = {
    "srt": Format(
        _parse_srt,
        (".srt",),
        re.compile(r"\s*\d+\s*[\r\n]+\s*\d\d?:\d\d:\d\d[,.]\d{1,3}\s*-->"),
    ),
    "vtt": Format(
        _parse_vtt,
        (".vtt",),
        re.compile(r"WEBVTT(?:\s|$)"),
    ),
    "html": Format(
        _parse_html,
        (".html", ".htm", ".xhtml"),
        re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.I),
        declares_encoding=True,
    ),
    "docx": PackageFormat(
        _unpack_docx,
        (".docx", ".docm"),
        ("vnd.openxmlformats-officedocument.wordprocessingml.", "vnd.ms-word."),
    ),
    "pptx": PackageFormat(
        _unpack_pptx,
        (".pptx", ".pptm"),
        ("vnd.openxmlformats-officedocument.presentationml.", "vnd.ms-powerpoint."),
    ),
    "xlsx": PackageFormat(
        _unpack_xlsx,
        (".xlsx", ".xlsm"),
        ("vnd.openxmlformats-officedocument.spreadsheetml.", "vnd.ms-excel."),
    ),
    "odt": PackageFormat(_unpack_open_document, (".odt", ".ott"), ("vnd.oasis.opendocument.text",)),
    "ods": PackageFormat(
        _unpack_open_document, (".ods", ".ots"), ("vnd.oasis.opendocument.spreadsheet",)
    ),
    "odp": PackageFormat(
        _unpack_open_document, (".odp", ".otp"), ("vnd.oasis.opendocument.presentation",)
    ),
    "epub": PackageFormat(_unpack_epub, (".epub",), ("epub+zip",)),
    "md": Format(_parse_markdown, (".md", ".markdown"), _BY_NAME_ONLY),
    "json": Format(_parse_json, (".json",), _BY_NAME_ONLY, has_fields=True),
    "jsonl": Format(_parse_json_lines, (".jsonl",), _BY_NAME_ONLY, has_fields=True),
    "csv": Format(_parse_csv, (".csv",), _BY_NAME_ONLY, has_fields=True),
    "tsv": Format(_parse_tsv, (".tsv",), _BY_NAME_ONLY, has_fields=True),
    "yaml": Format(_parse_yaml, (".yaml", ".yml"), _BY_NAME_ONLY, has_fields=True),
    "segments": Format(_parse_segments, (), _BY_NAME_ONLY),
    "xliff": Format(
        _parse_xliff,
        (".xliff", ".xlf", ".sdlxliff", ".mxliff", ".mqxliff"),
        _xml_start("xliff"),
        declares_encoding=True,
        options=frozenset(["is_final"]),
    ),
    "tmx": Format(_parse_tmx, (".tmx",), _xml_start("tmx"), declares_encoding=True),
    "po": Format(
        _parse_po,
        (".po", ".pot"),
        re.compile(r"(?>#[^\n]*\n|\s)*+msg(?:id|ctxt)\s+\""),
        declares_encoding=True,
        options=frozenset(["is_final", "with_fuzzy"]),
    ),
    "text": Format(_parse_text, (".txt", ".text"), re.compile("")),
}
_START_CHARS = 4_096
_OPTIONS = {"is_final": "--final", "with_fuzzy": "--fuzzy"}


def format_by_name(path: Path) -> str | None:
    """Return the format that the name of a file stands for; None if it stands for none."""
    suffix = path.suffix.lower()
    return next((name for name, one in FORMATS.items() if suffix in one.suffixes), None)


def refuse_options(name: str, options: "ReadOptions") -> None:
    """Refuse options that a format does not have.

    Raises:
        MtkitError: An option is given that does not apply.
    """
    for field, option in _OPTIONS.items():
        if getattr(options, field) and field not in FORMATS[name].options:
            having = " and ".join(key for key, one in FORMATS.items() if field in one.options)
            raise MtkitError(
                f"`{options.name}`: {option} ({field}) does not apply to {name}",
                f"leave it out; it is for {having}",
            )


def checked_format(name: str) -> str:
    """Return the name of a format.

    Raises:
        MtkitError: There is no such format.
    """
    if name not in FORMATS:
        raise MtkitError(
            f"`{name}` is not a format of documents", f"the formats are {', '.join(FORMATS)}"
        )
    return name


def format_by_start(start: str) -> str | None:
    """Return the format of a document that is a text, given its beginning; None if unknown."""
    start = start[:_START_CHARS].removeprefix("\ufeff")
    for name, one in FORMATS.items():
        if isinstance(one, Format) and name != "text" and one.start.match(start):
            return name
    return None


def detect_format(path: Path) -> str | None:
    """Detect the format of a file by its name or content; None if it is not a document.

    Raises:
        MtkitError: The file cannot be read, or is a ZIP archive, but damaged or not a document.
    """
    name = format_by_name(path)
    if name is not None or not _is_file(path):
        return name
    with convert_os_errors(path), path.open("rb") as stream:
        start = stream.read(_START_CHARS)
    if is_zip(start):
        # The readers of packages are imported for packages alone: every translation asks this.
        from mtkit.documents.encoding import read_bytes
        from mtkit.documents.office.package import media_type

        return format_by_type(path, media_type(ZipArchive(read_bytes(path), str(path))))
    return format_by_start(start.decode(errors="replace"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long, for example because it is a text
        return False


def format_by_type(path: Path, media_type: str) -> str:
    """Return the format of a document that is a ZIP archive.

    Args:
        path: The document, for errors.
        media_type: Media type of the package, without `application/`.
    Raises:
        MtkitError: It is in no known format.
    """
    for name, one in FORMATS.items():
        if isinstance(one, PackageFormat) and media_type.startswith(one.main_types):
            return name
    raise unknown_format(path)


def unknown_format(path: Path) -> MtkitError:
    """Make the error for a document in no known format."""
    return MtkitError(
        f"`{path}`: neither its name nor its content is that of a known format",
        f"name the format: {', '.join(FORMATS)}",
    )

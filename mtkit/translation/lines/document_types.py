"""Recognition of documents, whose markup would be translated line by line with their text."""

import re
from collections.abc import Iterable
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.compression import without_compression_suffix
from mtkit.io.text import read_blocks

_SUBTITLES, _HTML = "subtitles", "an HTML page"
_XLIFF, _TMX, _CATALOG = "an XLIFF file", "a translation memory (TMX)", "a gettext catalog"
_FORMATS = {
    _SUBTITLES: "srt or vtt",
    _HTML: "html",
    _XLIFF: "xliff",
    _TMX: "tmx",
    _CATALOG: "po",
}
"""Formats in which documents are translated, for --input-format."""
_OFFICE, _RESOURCES = "an office document", "a file of program texts"
_OLD_OFFICE, _PDF = "an office document of an old format", "a PDF document"
_BY_ENDING = {
    **dict.fromkeys(("po", "pot"), _CATALOG),
    **dict.fromkeys(("srt", "vtt"), _SUBTITLES),
    **dict.fromkeys(("ass", "ssa", "sbv", "ttml", "dfxp"), "a subtitle file"),
    **dict.fromkeys(("html", "htm", "xhtml"), _HTML),
    **dict.fromkeys(("xliff", "xlf", "mxliff", "mqxliff", "sdlxliff"), _XLIFF),
    **dict.fromkeys(("docx", "odt", "pptx", "odp", "xlsx", "ods", "epub"), _OFFICE),
    **dict.fromkeys(("doc", "rtf", "ppt", "xls"), _OLD_OFFICE),
    **dict.fromkeys(("resx", "strings", "stringsdict", "properties", "arb"), _RESOURCES),
    **dict.fromkeys(("yaml", "yml"), "a YAML file"),
    "json": "a JSON document",
    "ipynb": "a notebook",
    "tmx": _TMX,
    "xml": "an XML document",
    "pdf": _PDF,
    "parquet": "a Parquet table",
    "tex": "a LaTeX document",
    "md": "a Markdown document",
}
# Binary documents are refused by every function that reads text.
_BY_START = (
    (re.compile(r"\s*<\?xml\b"), "an XML document"),
    (re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE), _HTML),
    (re.compile(r"WEBVTT\b"), _SUBTITLES),
    (re.compile(r"\s*\d+\r?\n\d\d:\d\d:\d\d[,.]\d{3} --> \d\d:"), _SUBTITLES),
    (re.compile(r'(\s*|#.*\n)*msgid "'), _CATALOG),
    (re.compile(r'\s*(\{\s*"|\[\s*[{["]).*', re.DOTALL), "JSON"),
)
_START_CHARS = 4_096


def refuse_document(path: Path) -> None:
    """Refuse a file whose name or first bytes are those of a document, not of plain text.

    Raises:
        MtkitError: The file is a document, or cannot be read.
    """
    kind = _BY_ENDING.get(without_compression_suffix(path).suffix.lower().removeprefix("."))
    if kind is None:
        blocks = read_blocks(path, what="the source text")
        start = next(blocks, b"")[:_START_CHARS]
        blocks.close()
        kind = _kind_of(start.decode(errors="replace"))
    if kind is not None:
        raise _error(str(path), kind)


class DocumentCheck:
    """Refuses a stream that cannot be read twice, as soon as its start is that of a document.

    Args:
        name: Name of the stream, for errors.
    """

    def __init__(self, name: str) -> None:
        self.name, self._start = name, ""

    def __call__(self, lines: Iterable[str]) -> None:
        """Check the next lines of the stream.

        Raises:
            MtkitError: They are the start of a document.
        """
        if len(self._start) >= _START_CHARS:
            return
        for line in lines:
            self._start += f"{line}\n"
            if len(self._start) >= _START_CHARS:
                break
        if kind := _kind_of(self._start):
            raise _error(self.name, kind)


def _kind_of(start: str) -> str | None:
    start = start.removeprefix("\ufeff")
    return next((kind for pattern, kind in _BY_START if pattern.match(start)), None)


def _error(name: str, kind: str) -> MtkitError:
    if kind == "JSON":
        return MtkitError(
            f"`{name}`: looks like JSON, not like plain text",
            "for one JSON object per line, give --input-format jsonl and --field; to translate each"
            " line as it is, --input-format text",
        )
    if kind == _OLD_OFFICE:
        return MtkitError(
            f"`{name}`: is {kind}, which cannot be translated",
            "save it as .docx, .pptx, .xlsx or .odt; or give --input-format text to translate each"
            " line as it is",
        )
    if kind == _PDF:
        return MtkitError(
            f"`{name}`: is {kind}, which cannot be translated",
            "convert it to .docx, or extract its text, for example with `pdftotext`; or give "
            "--input-format text to translate each line as it is",
        )
    if kind in _FORMATS:
        return MtkitError(
            f"`{name}`: is {kind}, whose markup would be translated too",
            f"to translate only its text, give a file and --input-format {_FORMATS[kind]}; to "
            "translate each line as it is, --input-format text",
        )
    return MtkitError(
        f"`{name}`: is {kind}, whose markup would be translated too",
        "extract the text, one segment per line; or give --input-format text to translate each line"
        " as it is",
    )

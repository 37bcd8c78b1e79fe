"""Office Open XML: docx, pptx and xlsx documents. Parts are found by their media types."""

from collections.abc import Callable

from mtkit.documents.office.content_types import read_content_types
from mtkit.documents.office.languages import mark_drawing, mark_word
from mtkit.documents.office.package import SIGNATURES, Package, read_text
from mtkit.documents.office.run_reader import RunReader, Vocabulary
from mtkit.documents.office.spreadsheet import (
    COMMENTS,
    INLINE_STRINGS,
    STRINGS,
    THREADED_COMMENTS,
    StringReader,
    referenced_texts,
)
from mtkit.documents.office.wordprocessing import VOCABULARY as WORD
from mtkit.documents.office.wordprocessing import WordReader
from mtkit.documents.segment import Document, ReadOptions
from mtkit.io.zip_archive import ZipArchive

DRAWING = Vocabulary(
    paragraph="a:p",
    run="a:r",
    properties="a:rPr",
    text="a:t",
    breaks=frozenset(("a:br",)),
    fields=frozenset(("a:fld",)),
    ignored=frozenset("lang altLang dirty err noProof smtClean smtId".split()),
    described=frozenset(("p:cNvPr", "xdr:cNvPr")),
    keeps_space=False,
)
"""Paragraphs of DrawingML (ISO/IEC 29500-1, clause 21.1), in slides, charts and shapes."""
SLIDE_COMMENTS = Vocabulary("p:cm", "", "", "p:text", keeps_space=False)
"""Comments on slides, whose text has no runs."""

_OFFICE = "vnd.openxmlformats-officedocument."
_WORD = f"{_OFFICE}wordprocessingml."
_SHEETS = f"{_OFFICE}spreadsheetml."
_SLIDES = f"{_OFFICE}presentationml."
_WORD_PARTS = frozenset(
    f"{_WORD}{name}+xml"
    for name in ("document.main", "template.main", "header", "footer", "footnotes", "endnotes")
) | {
    f"{_WORD}comments+xml",
    "vnd.ms-word.document.macroEnabled.main+xml",
    "vnd.ms-word.template.macroEnabledTemplate.main+xml",
}
_WORD_STYLES = frozenset((f"{_WORD}styles+xml", f"{_WORD}numbering+xml"))
_DRAWING_PARTS = frozenset(
    (
        f"{_SLIDES}slide+xml",
        f"{_SLIDES}notesSlide+xml",
        f"{_OFFICE}drawingml.chart+xml",
        f"{_OFFICE}drawingml.chartshapes+xml",
        f"{_OFFICE}drawingml.diagramData+xml",
        f"{_OFFICE}drawing+xml",
        "vnd.ms-office.drawingml.diagramDrawing+xml",
        "vnd.ms-powerpoint.comments+xml",
    )
)
_REFERRING_PARTS = frozenset(
    (
        f"{_SHEETS}worksheet+xml",
        f"{_SHEETS}table+xml",
        f"{_SHEETS}pivotCacheDefinition+xml",
    )
)


def _read_word(text: str, where: str, options: ReadOptions) -> Document:
    reader = WordReader(text, where)
    document = reader.read()
    mark_word(reader, options)
    return document


def _read_word_styles(text: str, where: str, options: ReadOptions) -> Document:
    reader = RunReader(text, where, WORD)
    mark_word(reader, options)
    return reader.document


def _read_drawing(text: str, where: str, options: ReadOptions) -> Document:
    reader = RunReader(text, where, DRAWING)
    document = reader.read()
    mark_drawing(reader, options)
    return document


Reader = Callable[[str, str, ReadOptions], Document]


def unpack(archive: ZipArchive, readers: dict[str, Reader], options: ReadOptions) -> Package:
    """Read the parts of an archive.

    Args:
        archive: The archive.
        readers: Reader of a part by its media type.
        options: Options of reading.
    """
    package = Package("", archive=archive)
    for name, kind in read_content_types(archive).items():
        if kind.startswith("vnd.openxmlformats-package.digital-signature"):
            package.remarks[SIGNATURES] = 1
        elif (reader := readers.get(kind)) is not None:
            text, encoding = read_text(archive, name)
            part = reader(text, f"{archive.name}: {name}", options)
            package.add(name, part, encoding)
    return package


def unpack_word(archive: ZipArchive, options: ReadOptions) -> Document:
    """Read a docx document."""
    readers: dict[str, Reader] = dict.fromkeys(_WORD_PARTS, _read_word)
    readers |= dict.fromkeys(_WORD_STYLES, _read_word_styles)
    return unpack(archive, readers | dict.fromkeys(_DRAWING_PARTS, _read_drawing), options)


def unpack_slides(archive: ZipArchive, options: ReadOptions) -> Document:
    """Read a pptx document."""
    readers: dict[str, Reader] = dict.fromkeys(_DRAWING_PARTS, _read_drawing)
    readers[f"{_SLIDES}comments+xml"] = lambda text, where, _: RunReader(
        text, where, SLIDE_COMMENTS
    ).read()
    return unpack(archive, readers, options)


def unpack_sheets(archive: ZipArchive, options: ReadOptions) -> Document:
    """Read an xlsx workbook."""
    kept: set[str] = set()
    for name, kind in read_content_types(archive).items():
        if kind in _REFERRING_PARTS or kind.endswith(".main+xml"):
            kept |= referenced_texts(read_text(archive, name)[0])
    kept.discard("")

    def strings(vocabulary: Vocabulary) -> Reader:
        return lambda text, where, _: StringReader(text, where, vocabulary, kept).read()

    def sheet(text: str, where: str, options: ReadOptions) -> Document:
        if "inlineStr" not in text:  # most sheets have none, and are large
            return Document(text)
        return strings(INLINE_STRINGS)(text, where, options)

    readers: dict[str, Reader] = dict.fromkeys(_DRAWING_PARTS, _read_drawing)
    readers |= {
        f"{_SHEETS}sharedStrings+xml": strings(STRINGS),
        f"{_SHEETS}worksheet+xml": sheet,
        f"{_SHEETS}comments+xml": strings(COMMENTS),
        "vnd.ms-excel.threadedcomments+xml": strings(THREADED_COMMENTS),
    }
    return unpack(archive, readers, options)

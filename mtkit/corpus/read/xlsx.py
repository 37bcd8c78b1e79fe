"""Read pairs from two columns of an Excel worksheet (xlsx; ISO/IEC 29500-1, clause 18)."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from mtkit.corpus.read.delimited import Row, row_pairs
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once
from mtkit.io.text import open_binary
from mtkit.io.zip_archive import ZipArchive

_WORKBOOK, _WORKBOOK_LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_MAX_BYTES, _MAX_ROWS = 1 << 28, 1 << 20
_COLUMN = re.compile("[A-Z]{1,3}")
_CODED = re.compile("_x([0-9A-Fa-f]{4})_")
_DAMAGED = "open it in a spreadsheet program, and save it again"

logger = get_logger(__name__)


def xlsx_pairs(path: Path, name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read the first worksheet of a workbook; a line break in a cell becomes a space.

    The file is held in memory. Rows are as wide as the first one; cells beyond it are ignored.

    Args:
        path: The workbook.
        name: Name of the file in errors.
        sides: The columns of the pair.
    Raises:
        MtkitError: At the call: no such file. While reading: it is damaged, protected by a password
            or too large; or a column is missing.
    """
    with open_binary(path, "the corpus") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise MtkitError(
            f"`{name}`: is larger than {_MAX_BYTES >> 20} MiB, and would be held in memory",
            "save the worksheet as CSV or TSV, which is read as a stream",
        )
    return row_pairs(_rows(ZipArchive(data, name)), name, sides)


def _rows(archive: ZipArchive) -> Iterator[Row]:
    sheet = _first_sheet(archive)
    strings = _shared_strings(archive)
    width = number = 0
    for row in _elements(archive, sheet, "row"):
        last, number = number, _row_number(row, archive.name) or number + 1
        texts: list[str] = []
        for cell in row:
            reference = _COLUMN.match(cell.get("r", ""))
            column = _column_index(reference[0]) if reference else len(texts)
            if width and column >= width:
                continue
            texts += [""] * (column + 1 - len(texts))
            texts[column] = _cell_text(cell, strings, f"`{archive.name}`: row {number}")
        if not width:
            if not any(texts):
                continue  # the table begins below
            width = len(texts)
        else:
            for blank in range(last + 1, number):
                yield blank, [""] * width
        yield number, texts + [""] * (width - len(texts))


def _row_number(row: Element, name: str) -> int | None:
    number = row.get("r")
    if number is None:
        return None
    if not number.isdecimal() or not 0 < int(number) <= _MAX_ROWS:
        raise MtkitError(f"`{name}`: row {number} has no valid number", _DAMAGED)
    return int(number)


def _first_sheet(archive: ZipArchive) -> str:
    """Return the name of the member with the first worksheet."""
    sheets = [dict(one.attrib) for one in _elements(archive, _WORKBOOK, "sheet")]
    links = {
        one.get("Id", ""): dict(one.attrib)
        for one in _elements(archive, _WORKBOOK_LINKS, "Relationship")
    }
    for sheet in sheets:
        link = links.get(next((value for key, value in sheet.items() if key.endswith("}id")), ""))
        if link is not None and link.get("Type", "").endswith("/worksheet"):
            if len(sheets) > 1:
                log_once(
                    logger,
                    f"{archive.name}: the worksheet {sheet.get('name')} is read, "
                    f"not the {len(sheets) - 1} others",
                )
            target = link.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise MtkitError(f"`{archive.name}`: has no worksheet", "check the file and the format")


def _shared_strings(archive: ZipArchive) -> list[str]:
    member = "xl/sharedStrings.xml"
    return [_text(one) for one in _elements(archive, member, "si")] if member in archive else []


def _cell_text(cell: Element, strings: list[str], where: str) -> str:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = next((one.text or "" for one in cell if _local_name(one) == "v"), "")
    if cell.get("t") != "s":
        return value
    if not value.isdecimal() or int(value) >= len(strings):
        raise MtkitError(f"{where} refers to a text that is not there", _DAMAGED)
    return strings[int(value)]


def _text(element: Element) -> str:
    """Return the text of a cell, without phonetic guides."""
    parts: list[str] = []
    for child in element:
        if _local_name(child) == "t":
            parts.append(_CODED.sub(lambda code: chr(int(code[1], 16)), child.text or ""))
        elif _local_name(child) in ("r", "is"):
            parts.append(_text(child))
    return "".join(parts)


def _column_index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _elements(archive: ZipArchive, member: str, name: str) -> Iterator[Element]:
    """Yield the elements of a name, and forget them when the next one is asked for."""
    data = archive.read(member)
    where = f"`{archive.name}`: {member}"
    if b"<!DOCTYPE" in data or b"\0" in data[:100]:
        raise MtkitError(f"{where} has a DOCTYPE, or is not UTF-8", _DAMAGED)
    try:
        for _, element in iterparse(BytesIO(data)):
            if _local_name(element) == name:
                yield element
                element.clear()
    except (ParseError, ValueError) as exc:
        raise MtkitError(f"{where} is broken XML: {exc}", _DAMAGED) from None

"""Tables in CSV and TSV: some columns are texts, everything else is kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from mtkit.documents.data.values import Value, ValueDocument
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError

_CSV_CELL = re.compile(r'"(?:[^"]|"")*"|[^",\r\n]*')
_TSV_CELL = re.compile(r"[^\t\r\n]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$')
_TSV_SEPARATORS = re.compile(r"[\t\r\n]+")


@dataclass(frozen=True)
class _Cell(Value):
    """A cell."""

    column: int = 0
    """From 0."""


@dataclass
class TableDocument(ValueDocument):
    """A table. A cell in quotation marks may have several lines, each of which is a segment."""

    is_csv: bool = True

    @classmethod
    def parse(cls, text: str, options: ReadOptions, *, is_csv: bool) -> "TableDocument":
        """Read the segments of a table.

        Args:
            text: The table.
            options: The columns to translate: numbers from 1, or names in the first row.
            is_csv: Whether columns are separated by commas, and by TABs otherwise.
        Raises:
            MtkitError: No column is selected, or one that does not exist; or a cell is not valid.
        """
        if not options.fields:
            raise MtkitError(
                f"`{options.name}`: no column to translate is selected",
                "name it with --field: its number, or its name in the first row",
            )
        rows = _rows(text, options.name, is_csv=is_csv)
        first = next(rows, [])
        is_header = not all(map(str.isdecimal, options.fields))
        columns = {_column(field, first, options.name) for field in options.fields}
        document = cls("", source=text, is_csv=is_csv)
        values = [
            cell
            for row in (rows if is_header else chain([first], rows))
            for cell in row
            if cell.column in columns
        ]
        document.add_values(values, options.tgt_lang)
        return document

    def written_value(self, value: Value, text: str) -> str:
        """Return a text as a cell, in quotation marks if it has them in the file or needs them."""
        if not self.is_csv:
            return _TSV_SEPARATORS.sub(" ", text)
        if self.source.startswith('"', value.begin) or _NEEDS_QUOTES.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text


def _rows(text: str, name: str, *, is_csv: bool) -> Iterator[list[_Cell]]:
    """Yield the cells of each row that is not blank."""
    pattern, separator = (_CSV_CELL, ",") if is_csv else (_TSV_CELL, "\t")
    row: list[_Cell] = []
    position = 0
    while position < len(text) or row:
        match = pattern.match(text, position)
        assert match is not None  # an empty cell always matches
        raw, end = match.group(), match.end()
        shown = raw[1:-1].replace('""', '"') if is_csv and raw.startswith('"') else raw
        row.append(_Cell(position, end, shown, column=len(row)))
        if text.startswith(separator, end):
            position = end + 1
            continue
        line_end = _LINE_END.match(text, end)
        if line_end is None and end < len(text):
            line = text.count("\n", 0, end) + 1
            raise MtkitError(
                f"`{name}`: line {line:,} is not valid CSV: text follows a quotation mark",
                "quote a cell with a comma or a quotation mark, and double the marks in it",
            )
        if len(row) > 1 or row[0].end > row[0].begin:
            yield row
        row = []
        position = line_end.end() if line_end else len(text)


def _column(field: str, first: list[_Cell], name: str) -> int:
    """Return the index of a column."""
    names = [cell.text for cell in first]
    if field in names:
        return names.index(field)
    if field.isdecimal() and 0 < int(field) <= len(first):
        return int(field) - 1
    raise MtkitError(
        f"`{name}`: has no column {field}",
        f"--field takes a number from 1 to {len(first)}, or one of: {', '.join(names)[:200]}",
    )

"""Rows of TSV and CSV: some columns are translated, the others are kept byte for byte."""

import re
from collections.abc import Sequence

from mtkit.errors import MtkitError
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.output import DETAIL_NAMES, columns, quoted
from mtkit.translation.lines.records import Record
from mtkit.translation.result import Translation

_CSV_CELL = re.compile(r'"(?:[^"]|"")*"|[^",]*')


class RowReader:
    """Parses rows.

    Args:
        options: `input_format` is tsv or csv.
        name: Name of the input, for errors.
    Raises:
        MtkitError: The header is missing, or lacks a field.
    """

    def __init__(self, options: LineOptions, name: str) -> None:
        self.options = options
        self.is_csv = options.input_format == "csv"
        self.separator = "," if self.is_csv else "\t"
        self.names: list[str] | None = None
        if options.needs_header:
            if options.header_line is None:
                raise ValueError("the options need the input's header line")
            self.names = [
                self._text(cell) for cell in self._cells(options.header_line, f"`{name}`: line 1")
            ]
        self.columns_in = [self._column_in(field, f"`{name}`: line 1") for field in options.fields]
        self.document_column = None
        if options.document_field is not None:
            self.document_column = self._column_in(options.document_field, f"`{name}`: line 1")
        self.out_names = options.fields_out or options.names_of_added()
        if not options.fields_out and (taken := set(self.out_names) & set(self.names or ())):
            hint = "give --field-out: another name, or this one to replace what it holds"
            raise MtkitError(f"`{name}`: line 1 has a field {min(taken)} already", hint)
        self.columns_out = [self._column_out(field) for field in self.out_names]
        self.has_details = options.details or options.n_best is not None
        used = (*self.columns_in, self.document_column, *self.columns_out)
        self.n_columns = 1 + max(index for index in used if index is not None)
        """Minimum number of columns of a row."""

    def header(self) -> str | None:
        """See `RecordReader`."""
        if self.names is None or not self.options.passes_through:
            return None
        assert self.options.header_line is not None
        cells = self._cells(self.options.header_line, "")
        added = [
            name
            for name, index in zip(self.out_names, self.columns_out, strict=True)
            if index is None
        ]
        if self.has_details:
            added += [f"{name}_{detail}" for name in self.out_names for detail in DETAIL_NAMES]
        return self.separator.join([*cells, *map(self._cell, added)])

    def read(self, line: str, where: str) -> Record:
        """See `RecordReader`. A blank row is kept."""
        cells = self._cells(line, where)
        if self.names is not None and len(cells) != len(self.names) and line.strip():
            hint = (
                "give each row as many columns as the header; a line break or separator inside a"
                " cell may be the cause"
            )
            raise MtkitError(
                f"{where} has {_columns(len(cells))}, but the header has {len(self.names)}", hint
            )
        if len(cells) < self.n_columns:
            if not line.strip():
                return Record([""] * len(self.columns_in), lambda _: line)
            separators = "commas" if self.is_csv else "TABs"
            raise MtkitError(
                f"{where} has {_columns(len(cells))}, not {self.n_columns} or more",
                f"columns of {self.options.input_format} are separated by {separators}",
            )
        return Record(
            [self._text(cells[index]) for index in self.columns_in],
            lambda found: self._written(cells, found),
            "" if self.document_column is None else self._text(cells[self.document_column]),
        )

    def _written(self, cells: list[str], found: Sequence[Translation]) -> str:
        if self.options.n_best is None:
            return self._row(cells, [columns(translation)[0] for translation in found])
        return "\n".join(self._row(cells, [best]) for best in columns(found[0]))

    def _row(self, cells: list[str], results: list[list[str]]) -> str:
        cells = list(cells)
        for index, (text, *_) in zip(self.columns_out, results, strict=True):
            if index is None:
                cells.append(self._cell(text))
            else:
                cells[index] = self._cell(text)
        if self.has_details:
            cells += [self._cell(detail) for _, *details in results for detail in details]
        return self.separator.join(cells)

    def _cells(self, line: str, where: str) -> list[str]:
        """Split a row into cells, with their quotes."""
        if not self.is_csv:
            return line.split("\t")
        cells, start = [], 0
        while True:
            match = _CSV_CELL.match(line, start)
            end = match.end() if match else start
            cells.append(line[start:end])
            if end == len(line):
                return cells
            if line[end] != ",":
                hint = (
                    "quote a text with a comma or a quote, and double the quotes in it; line breaks"
                    " in a text are not supported"
                )
                raise MtkitError(f"{where}: broken CSV at character {end + 1}", hint)
            start = end + 1

    def _text(self, cell: str) -> str:
        return cell[1:-1].replace('""', '"') if self.is_csv and cell.startswith('"') else cell

    def _cell(self, text: str) -> str:
        return quoted(text) if self.is_csv else text

    def _column_in(self, field: str, where: str) -> int:
        if field.isdecimal():
            return int(field) - 1
        assert self.names is not None
        if field not in self.names:
            raise MtkitError(
                f"{where} has no field {field}; it has {', '.join(self.names)}",
                "--field and --document-column take one of these, or a number",
            )
        return self.names.index(field)

    def _column_out(self, field: str) -> int | None:
        if self.options.fields_out and field.isdecimal():
            return int(field) - 1
        return (
            self.names.index(field)
            if self.options.fields_out and self.names and field in self.names
            else None
        )


def _columns(n: int) -> str:
    return "1 column" if n == 1 else f"{n} columns"

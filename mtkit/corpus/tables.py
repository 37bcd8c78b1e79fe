"""Read pairs from one file with a row for each: TSV, CSV, JSON lines or Parquet. All are read in one pass, a piece at a time."""

import csv
import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.corpus.columns import Way, find_way, no_column, one_line, text_pairs, value_at, ways_of
from mtkit.corpus.pairs import SentencePair, Side
from mtkit.errors import MtkitError
from mtkit.files import read_lines, readable

Sides = tuple[Side, Side]
Row = tuple[int, list[str]]
"""Number of a row's last line, and its texts."""

_N_ROWS = 1000
"""Rows of Parquet in memory at a time."""
_READ_AHEAD = 1 << 20
"""Bytes of a Parquet column in memory at a time."""


def table_pairs(path: Path, kind: str, name: str, sides: Sides) -> Iterator[SentencePair]:
    """Read a table's pairs, rows with blank texts included; a line break within a text becomes a space.

    Args:
        path: The file; TSV, CSV and JSON lines may be packed.
        kind: tsv, csv, jsonl or parquet.
        name: What errors call the file.
        sides: Which columns are the pair.
    Raises:
        MtkitError: At the call: no such file. While reading: a column is missing, a row is not as it should be, or a value is no text.
    """
    if kind == "parquet":
        with readable(path, "the corpus"):
            return text_pairs(_parquet_values(path, name, sides), sides, f"`{name}`: row")
    lines = read_lines(path, what="the corpus", name=name)
    if kind == "jsonl":
        return _closing(lines, text_pairs(_json_values(lines, name, sides), sides, f"`{name}`: line"))
    return _closing(lines, _row_pairs(_csv_rows(lines, name) if kind == "csv" else _tsv_rows(lines), name, sides))


def _closing(lines: Generator[str, None, None], pairs: Iterator[SentencePair]) -> Iterator[SentencePair]:
    with closing(lines):
        yield from pairs


def _tsv_rows(lines: Iterable[str]) -> Iterator[Row]:
    return enumerate((line.split("\t") for line in lines), 1)


def _csv_rows(lines: Iterable[str], name: str) -> Iterator[Row]:
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as exc:
        hint = "a text with a comma, a quote or a line break stands in quotes, and quotes within it are doubled"
        raise MtkitError(f"`{name}`: broken CSV in line {reader.line_num}: {exc}", hint) from None


class _Layout(NamedTuple):
    """Which places of a row are the pair."""

    src: int
    tgt: int
    n_columns: int
    may_have_more: bool
    has_head: bool


def _row_pairs(rows: Iterator[Row], name: str, sides: Sides) -> Iterator[SentencePair]:
    first = next(rows, None)
    if first is None:
        return
    layout = _layout(first[1], name, sides)
    for number, row in rows if layout.has_head else chain([first], rows):
        if len(row) == layout.n_columns or (len(row) > layout.n_columns and layout.may_have_more):
            yield SentencePair(one_line(row[layout.src]), one_line(row[layout.tgt]))
        elif not any(text.strip() for text in row):
            yield SentencePair("", "")
        else:
            found = "1 column" if len(row) == 1 else f"{len(row)} columns"
            expected = f"{layout.n_columns} or more" if layout.may_have_more else str(layout.n_columns)
            raise MtkitError(f"`{name}`: line {number} has {found}, not {expected}", "src_column and tgt_column choose among several columns")


def _layout(first: list[str], name: str, sides: Sides) -> _Layout:
    """Find the columns by number, or by name in the first row; without either there are two."""
    columns = [side.column for side in sides]
    if columns == [None, None] and all(side.lang in first for side in sides):
        columns = [side.lang for side in sides]
    has_head = any(isinstance(column, str) for column in columns)
    places = []
    for default, (side, column) in enumerate(zip(sides, columns, strict=True)):
        if isinstance(column, int):
            places.append(column - 1)
        elif has_head:
            wanted = column or side.lang
            if wanted not in first:
                raise no_column(wanted, first, f"`{name}`")
            places.append(first.index(wanted))
        else:
            places.append(default)
    n_columns = max(*places, len(first) - 1 if has_head else 1) + 1
    return _Layout(places[0], places[1], n_columns, may_have_more=not has_head and columns != [None, None], has_head=has_head)


def _json_values(lines: Iterable[str], name: str, sides: Sides) -> Iterator[tuple[Any, Any]]:
    ways = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            yield None, None
            continue
        where = f"`{name}`: line {number}"
        row = _json_object(line, where)
        ways = ways or _ways(sides, row, where)
        try:
            src, tgt = value_at(row, ways[0]), value_at(row, ways[1])
        except KeyError:  # a row may be laid out in another way
            ways = _ways(sides, row, where)
            src, tgt = value_at(row, ways[0]), value_at(row, ways[1])
        if "\\u" in line:
            _refuse_half_characters(f"{src}{tgt}", where)
        yield src, tgt


def _ways(sides: Sides, values: Mapping[str, Any], where: str) -> tuple[Way, Way]:
    known = ways_of(values)
    return find_way(sides[0], known, where), find_way(sides[1], known, where)


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        reason = f"{exc.msg} at character {exc.colno}" if isinstance(exc, json.JSONDecodeError) else exc
        raise MtkitError(f"{where}: broken JSON: {reason}", "each line is one JSON object") from None
    if not isinstance(row, dict):
        raise MtkitError(f"{where}: not an object but {type(row).__name__}", 'each line is one JSON object, such as {"de": "Hallo", "en": "Hello"}')
    return row


def _refuse_half_characters(text: str, where: str) -> None:
    """JSON can spell one half of a surrogate pair, which no UTF-8 file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise MtkitError(f"{where}: \\u{ord(text[exc.start]):04x} is half of a character", "mend that line, or take it out") from None


def _parquet_values(path: Path, name: str, sides: Sides) -> Iterator[tuple[Any, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        # Read beforehand, a group of rows would be in memory whole, and a file may be one group.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_READ_AHEAD) as file:
            src, tgt = _ways(sides, _nested(file.schema_arrow), f"`{name}`")
            for batch in file.iter_batches(_N_ROWS, columns=[".".join(src), ".".join(tgt)]):
                for src_value, tgt_value in zip(batch[src[0]].to_pylist(), batch[tgt[0]].to_pylist(), strict=True):
                    yield value_at(src_value, src[1:]), value_at(tgt_value, tgt[1:])
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as exc:
        reason = " ".join(str(exc).split())
        raise MtkitError(f"`{name}`: broken Parquet: {reason}", "the file is cut short, damaged or packed; fetch it again") from None


def _nested(fields: Any) -> dict[str, Any]:
    """The names of a schema, or of a struct's fields, with those within them."""
    from pyarrow import types

    return {field.name: _nested(field.type) if types.is_struct(field.type) else None for field in fields}

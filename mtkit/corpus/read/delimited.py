"""Read pairs from TSV and CSV, with or without a header."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import NamedTuple

from mtkit.corpus.read.columns import missing_column_error, one_line
from mtkit.corpus.read.headers import (
    NAME_COLUMNS,
    ColumnIndexes,
    find_columns,
    is_text_column,
    looks_like_header,
)
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.corpus.sentence_pair import SentencePair, SideSpec, SideSpecs, pair_sides
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once

Row = tuple[int, list[str]]
"""Number of a row's last line, and its texts."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_N_SAMPLE_LINES = 50
"""Number of lines from which the separator of a CSV file is detected."""
_EXCEL_LINE = re.compile('"?sep=(.)"?')

_MORE_COLUMNS = (
    f"in CSV, put a text with a separator in quotes; if there are more columns, {NAME_COLUMNS}"
)
SET_SEPARATOR = (
    "specify the separator with --separator, or with separator of that corpus in a recipe"
)

logger = get_logger(__name__)


def tsv_pairs(lines: Iterable[str], name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read lines split at tabs, without quoting.

    Args:
        lines: Lines of the file.
        name: Name of the file in errors.
        sides: The columns of the pair.
    Raises:
        MtkitError: While reading: a column is missing, or a row has too few or too many.
    """
    return row_pairs(enumerate((line.split("\t") for line in lines), 1), name, sides)


def csv_pairs(
    lines: Iterable[str], name: str, sides: SideSpecs, separator: str | None
) -> Iterator[SentencePair]:
    """Read CSV, in which a text may be quoted.

    Args:
        lines: Lines of the file.
        name: Name of the file in errors.
        sides: The columns of the pair.
        separator: Separator of the columns; None detects it from the first lines.
    Raises:
        MtkitError: While reading: as in `tsv_pairs`; the quotes are broken; or several separators
            are possible.
    """
    lines = iter(lines)
    sample = list(islice(lines, _N_SAMPLE_LINES))
    n_before = 0
    if sample and (excel := _EXCEL_LINE.fullmatch(sample[0])):
        separator, sample, n_before = separator or excel[1], sample[1:], 1
    if separator is None:
        separator = _detect_separator(sample, name, pair_sides(sides))
        if separator != ",":
            log_once(logger, f"{name}: columns are separated by {_SEPARATORS[separator]}")
    yield from row_pairs(_csv_rows(chain(sample, lines), name, separator, n_before), name, sides)


def _csv_rows(lines: Iterable[str], name: str, separator: str, n_before: int = 0) -> Iterator[Row]:
    reader = csv.reader((f"{line}\n" for line in lines), strict=True, delimiter=separator)
    try:
        for row in reader:
            yield n_before + reader.line_num, row
    except csv.Error as exc:
        hint = (
            "a text with a separator, a quote or a line break must be in quotes, and "
            "quotes within it doubled"
        )
        raise MtkitError(
            f"`{name}`: broken CSV in line {n_before + reader.line_num}: {exc}", hint
        ) from None


def _detect_separator(sample: list[str], name: str, sides: SideSpecs) -> str:
    """Detect the separator that splits all sampled rows alike; a comma if there is none."""
    ranks = {
        separator: rank
        for separator in _SEPARATORS
        if (rank := _separator_rank(sample, separator, sides)) > 0
    }
    best = [separator for separator, rank in ranks.items() if rank == max(ranks.values())]
    if len(best) > 1:
        names = " or ".join(_SEPARATORS[separator] for separator in best)
        raise MtkitError(f"`{name}`: columns may be separated by {names}", SET_SEPARATOR)
    return best[0] if best else ","


def _separator_rank(sample: list[str], separator: str, sides: SideSpecs) -> int:
    """Rank a separator: 3 for a header, 2 for two columns, 1 for more, 0 for uneven rows."""
    rows: list[list[str]] = []
    with suppress(MtkitError):  # the sample may end within a quoted text
        rows.extend(row for _, row in _csv_rows(sample, "", separator) if any(row))
    sizes = Counter(map(len, rows))
    if len(sizes) != 1 or min(sizes) < 2:
        return 0
    header = [name.strip() for name in rows[0]]
    if all(
        isinstance(side.column, str) and side.column in header for side in sides
    ) or None not in find_columns(sides, header):
        return 3
    return 2 if min(sizes) == 2 else 1


class _Layout(NamedTuple):
    """Columns of the pair, and of a row."""

    src: int
    tgt: int
    n_columns: int
    may_have_more: bool
    has_header: bool


def row_pairs(rows: Iterator[Row], name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read the pairs of rows of texts, of which the first may be a header.

    Args:
        rows: The rows.
        name: Name of the file in errors.
        sides: The columns of the pair.
    Raises:
        MtkitError: While reading: a column is missing, or a row has too few or too many.
    """
    first = next(rows, None)
    if first is None:
        return
    header = [text.strip() for text in first[1]]
    layout = _layout(header, name, pair_sides(sides))
    if sides[0].replaces is not None:
        index = _column_index(sides[0], None, header, name)
        layout = layout._replace(src=index, tgt=index, n_columns=max(layout.n_columns, index + 1))
    for number, row in rows if layout.has_header else chain([first], rows):
        if len(row) == layout.n_columns or (len(row) > layout.n_columns and layout.may_have_more):
            yield SentencePair(one_line(row[layout.src]), one_line(row[layout.tgt]))
        elif not any(text.strip() for text in row):
            yield SentencePair("", "")
        else:
            actual = "1 column" if len(row) == 1 else f"{len(row)} columns"
            expected = (
                f"{layout.n_columns} or more" if layout.may_have_more else str(layout.n_columns)
            )
            raise MtkitError(
                f"`{name}`: line {number} has {actual}, not {expected}",
                SET_SEPARATOR if len(row) == 1 else _MORE_COLUMNS,
            )


def _layout(header: list[str], name: str, sides: SideSpecs) -> _Layout:
    """Find the columns by number, or by name in the first row; by default there are two."""
    columns = [side.column for side in sides]
    detected = find_columns(sides, header)
    if any(isinstance(column, str) for column in columns):
        src, tgt = (
            _column_index(side, index, header, name)
            for side, index in zip(sides, detected, strict=True)
        )
        n_columns = max(src, tgt, len(header) - 1) + 1
        return _Layout(src, tgt, n_columns, may_have_more=False, has_header=True)
    if columns == [None, None]:
        return _detect_layout(header, name, sides)
    src, tgt = (
        column - 1 if isinstance(column, int) else default for default, column in enumerate(columns)
    )
    has_header = None not in detected and set(detected) == {src, tgt}
    if has_header:
        _report_columns(header, (src, tgt), name)
    elif looks_like_header(header):
        _warn_possible_header(header, name)
    return _Layout(src, tgt, max(src, tgt) + 1, may_have_more=True, has_header=has_header)


def _column_index(side: SideSpec, detected: int | None, header: list[str], file_name: str) -> int:
    if isinstance(side.column, int):
        return side.column - 1
    if side.column is None and detected is not None:
        return detected
    name = side.column or side.lang
    indexes = [index for index, text in enumerate(header) if text == name]
    indexes = indexes or [
        index for index, text in enumerate(header) if text.casefold() == name.casefold()
    ]
    if not indexes:
        raise missing_column_error(name, header, f"`{file_name}`", side.key)
    if len(indexes) > 1:
        raise MtkitError(
            f"`{file_name}`: {len(indexes)} columns are named {name}", "specify the column's number"
        )
    return indexes[0]


def _detect_layout(header: list[str], name: str, sides: SideSpecs) -> _Layout:
    columns = find_columns(sides, header)
    is_header = looks_like_header(header)
    if is_header and len(header) == 2:
        columns = _complete_columns(columns, header)
    src, tgt = columns
    if src is not None and tgt is not None:
        _report_columns(header, (src, tgt), name)
        return _Layout(src, tgt, len(header), may_have_more=False, has_header=True)
    if is_header:
        raise _ambiguous_header_error(columns, header, name, sides)
    if columns != (None, None):
        _warn_possible_header(header, name)
    return _Layout(0, 1, 2, may_have_more=False, has_header=False)


def _complete_columns(columns: ColumnIndexes, header: list[str]) -> ColumnIndexes:
    """Use the other of two columns for the other side, if it is named `text` or the like."""
    src, tgt = columns
    if src is None and tgt is not None and is_text_column(header[1 - tgt]):
        return 1 - tgt, tgt
    if tgt is None and src is not None and is_text_column(header[1 - src]):
        return src, 1 - src
    return columns


def _ambiguous_header_error(
    columns: ColumnIndexes, header: list[str], name: str, sides: SideSpecs
) -> MtkitError:
    missing = [
        f"{word} ({side.lang})"
        for word, side, column in zip(("source", "target"), sides, columns, strict=True)
        if column is None
    ]
    unknown = UNKNOWN_LANG in (sides[0].lang, sides[1].lang)
    hint = (
        f"specify the languages with --src-lang and --tgt-lang, or {NAME_COLUMNS}"
        if unknown
        else f"{NAME_COLUMNS}, by number if it is not a header"
    )
    sides_missing = " and ".join(missing).replace(f" ({UNKNOWN_LANG})", "")
    return MtkitError(
        f"`{name}`: its first line looks like a header ({', '.join(header)}), but does "
        f"not name the column of the {sides_missing}",
        hint,
    )


def _report_columns(header: list[str], columns: tuple[int, int], name: str) -> None:
    src, tgt = (f"column {column + 1} ({header[column]})" for column in columns)
    log_once(logger, f"{name}: the first line is a header; source: {src}, target: {tgt}")


def _warn_possible_header(header: list[str], name: str) -> None:
    text = (
        f"{name}: the first line ({', '.join(header)}) is read as a pair; if it is a header, "
        f"{NAME_COLUMNS}, by name"
    )
    log_once(logger, text, logging.WARNING)

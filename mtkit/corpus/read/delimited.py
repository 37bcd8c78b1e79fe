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
from mtkit.corpus.sentence_pair import SentencePair, SideSpec, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once

Row = tuple[int, list[str]]
"""Number of a row's last line, and its texts."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_N_SAMPLE_LINES = 50
"""Lines that show what separates the columns of a CSV file."""
_EXCEL_LINE = re.compile('"?sep=(.)"?')

_MORE_COLUMNS = (
    f"in CSV, put a text with a separator in quotes; if there are more columns, {NAME_COLUMNS}"
)
SET_SEPARATOR = (
    "say what separates the columns with --separator, or with separator of that corpus in a recipe"
)

logger = get_logger(__name__)


def tsv_pairs(lines: Iterable[str], name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read lines split at tabs; nothing is quoted.

    Args:
        lines: The file's lines.
        name: What errors call the file.
        sides: Which columns are the pair.
    Raises:
        MtkitError: While reading: a column is missing, or a row has too few or too many.
    """
    return _row_pairs(enumerate((line.split("\t") for line in lines), 1), name, sides)


def csv_pairs(
    lines: Iterable[str], name: str, sides: SideSpecs, separator: str | None
) -> Iterator[SentencePair]:
    """Read CSV, in which a text may be quoted.

    Args:
        lines: The file's lines.
        name: What errors call the file.
        sides: Which columns are the pair.
        separator: Between columns; None finds it in the first lines.
    Raises:
        MtkitError: While reading: as `tsv_pairs`, the quotes are broken, or several separators fit the first lines.
    """
    lines = iter(lines)
    sample = list(islice(lines, _N_SAMPLE_LINES))
    n_before = 0
    if sample and (excel := _EXCEL_LINE.fullmatch(sample[0])):
        separator, sample, n_before = separator or excel[1], sample[1:], 1
    if separator is None:
        separator = _separator(sample, name, sides)
        if separator != ",":
            log_once(logger, f"{name}: columns are separated by {_SEPARATORS[separator]}")
    yield from _row_pairs(_csv_rows(chain(sample, lines), name, separator, n_before), name, sides)


def _csv_rows(lines: Iterable[str], name: str, separator: str, n_before: int = 0) -> Iterator[Row]:
    reader = csv.reader((f"{line}\n" for line in lines), strict=True, delimiter=separator)
    try:
        for row in reader:
            yield n_before + reader.line_num, row
    except csv.Error as exc:
        hint = "a text with a separator, a quote or a line break must be in quotes, and quotes within it doubled"
        raise MtkitError(
            f"`{name}`: broken CSV in line {n_before + reader.line_num}: {exc}", hint
        ) from None


def _separator(sample: list[str], name: str, sides: SideSpecs) -> str:
    """Find the separator that gives all sampled rows the same number of columns; a comma if there is none."""
    ranks = {
        separator: rank
        for separator in _SEPARATORS
        if (rank := _fitness(sample, separator, sides)) > 0
    }
    best = [separator for separator, rank in ranks.items() if rank == max(ranks.values())]
    if len(best) > 1:
        names = " or ".join(_SEPARATORS[separator] for separator in best)
        raise MtkitError(f"`{name}`: columns may be separated by {names}", SET_SEPARATOR)
    return best[0] if best else ","


def _fitness(sample: list[str], separator: str, sides: SideSpecs) -> int:
    """0 if rows differ in their number of columns; 3 if the first row is a header, 2 for two columns, 1 for more."""
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
    """Which places of a row are the pair."""

    src: int
    tgt: int
    n_columns: int
    may_have_more: bool
    has_header: bool


def _row_pairs(rows: Iterator[Row], name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    first = next(rows, None)
    if first is None:
        return
    layout = _layout([text.strip() for text in first[1]], name, sides)
    for number, row in rows if layout.has_header else chain([first], rows):
        if len(row) == layout.n_columns or (len(row) > layout.n_columns and layout.may_have_more):
            yield SentencePair(one_line(row[layout.src]), one_line(row[layout.tgt]))
        elif not any(text.strip() for text in row):
            yield SentencePair("", "")
        else:
            found = "1 column" if len(row) == 1 else f"{len(row)} columns"
            expected = (
                f"{layout.n_columns} or more" if layout.may_have_more else str(layout.n_columns)
            )
            raise MtkitError(
                f"`{name}`: line {number} has {found}, not {expected}",
                SET_SEPARATOR if len(row) == 1 else _MORE_COLUMNS,
            )


def _layout(first: list[str], name: str, sides: SideSpecs) -> _Layout:
    """Find the columns by number, or by name in the first row; without either there are two."""
    columns = [side.column for side in sides]
    if any(isinstance(column, str) for column in columns):
        src, tgt = _named(first, name, sides)
        return _Layout(
            src, tgt, max(src, tgt, len(first) - 1) + 1, may_have_more=False, has_header=True
        )
    if columns == [None, None]:
        return _detected(first, name, sides)
    src, tgt = (
        column - 1 if isinstance(column, int) else default for default, column in enumerate(columns)
    )
    has_header = None not in (found := find_columns(sides, first)) and set(found) == {src, tgt}
    if has_header:
        _report_columns(first, (src, tgt), name)
    elif looks_like_header(first):
        _warn_of_pair(first, name)
    return _Layout(src, tgt, max(src, tgt) + 1, may_have_more=True, has_header=has_header)


def _named(first: list[str], name: str, sides: SideSpecs) -> tuple[int, int]:
    """Columns of which at least one is given by name, and the others by number or not at all."""
    auto = (
        find_columns(sides, first) if None in (sides[0].column, sides[1].column) else (None, None)
    )
    src, tgt = (_place(side, found, first, name) for side, found in zip(sides, auto, strict=True))
    return src, tgt


def _place(side: SideSpec, found: int | None, first: list[str], name: str) -> int:
    if isinstance(side.column, int):
        return side.column - 1
    if side.column is None and found is not None:
        return found
    wanted = side.column or side.lang
    places = [place for place, text in enumerate(first) if text == wanted]
    places = places or [
        place for place, text in enumerate(first) if text.casefold() == wanted.casefold()
    ]
    if not places:
        raise missing_column_error(wanted, first, f"`{name}`")
    if len(places) > 1:
        raise MtkitError(
            f"`{name}`: {len(places)} columns are called {wanted}", "give the column's number"
        )
    return places[0]


def _detected(first: list[str], name: str, sides: SideSpecs) -> _Layout:
    found = find_columns(sides, first)
    is_header = looks_like_header(first)
    if is_header and len(first) == 2:
        found = _completed(found, first)
    src, tgt = found
    if src is not None and tgt is not None:
        _report_columns(first, (src, tgt), name)
        return _Layout(src, tgt, len(first), may_have_more=False, has_header=True)
    if is_header:
        raise _not_understood(found, first, name, sides)
    if found != (None, None):
        _warn_of_pair(first, name)
    return _Layout(0, 1, 2, may_have_more=False, has_header=False)


def _completed(found: ColumnIndexes, first: list[str]) -> ColumnIndexes:
    """Take the other of two columns for the other side, if it is called `text` or the like."""
    src, tgt = found
    if src is None and tgt is not None and is_text_column(first[1 - tgt]):
        return 1 - tgt, tgt
    if tgt is None and src is not None and is_text_column(first[1 - src]):
        return src, 1 - src
    return found


def _not_understood(
    found: ColumnIndexes, first: list[str], name: str, sides: SideSpecs
) -> MtkitError:
    missing = [
        f"{word} ({side.lang})"
        for word, side, place in zip(("source", "target"), sides, found, strict=True)
        if place is None
    ]
    unknown = UNKNOWN_LANG in (sides[0].lang, sides[1].lang)
    hint = (
        f"name the languages with --src-lang and --tgt-lang, or {NAME_COLUMNS}"
        if unknown
        else f"{NAME_COLUMNS}, by number if it is not a header"
    )
    what = " and ".join(missing).replace(f" ({UNKNOWN_LANG})", "")
    return MtkitError(
        f"`{name}`: its first line looks like a header ({', '.join(first)}), but does not say which column is the {what}",
        hint,
    )


def _report_columns(first: list[str], places: tuple[int, int], name: str) -> None:
    src, tgt = (f"column {place + 1} ({first[place]})" for place in places)
    log_once(logger, f"{name}: the first line is a header; source is {src}, target is {tgt}")


def _warn_of_pair(first: list[str], name: str) -> None:
    text = f"{name}: the first line ({', '.join(first)}) is read as a pair; if it is a header, {NAME_COLUMNS}, by name"
    log_once(logger, text, logging.WARNING)

"""Find texts in rows of named values (JSON Lines, Parquet, datasets), and turn them into pairs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mtkit.corpus.languages import base_language
from mtkit.corpus.read.headers import NAME_COLUMNS, find_columns
from mtkit.corpus.sentence_pair import SentencePair, SideSpec, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once

ColumnPath = tuple[str, ...]
"""Path to a text: a column, or a column and the keys within it."""

logger = get_logger(__name__)

_LINE_BREAKS = re.compile("[\n\r]+")


def column_paths(values: Mapping[str, Any], parents: ColumnPath = ()) -> list[ColumnPath]:
    """List all paths through columns and the mappings within them."""
    paths = []
    for name, value in values.items():
        paths += (
            column_paths(value, (*parents, name))
            if isinstance(value, Mapping)
            else [(*parents, name)]
        )
    return paths


def find_text_paths(
    sides: SideSpecs, values: Mapping[str, Any], name: str, where: str
) -> tuple[ColumnPath, ColumnPath]:
    """Find the paths to the texts of both sides.

    The column of a side, if given, may be written `translation.de`. Otherwise it is the one that
    `find_columns` finds, at the top level or within `translation`.

    Args:
        sides: The sides to find.
        values: A row, or any mapping with its names.
        name: Name of the file in the log.
        where: Location in errors.
    Raises:
        MtkitError: There is no such column, or the recipe specifies a number.
    """
    paths = column_paths(values)
    labels = [
        path[-1] if len(path) == 1 or (len(path) == 2 and path[0] == "translation") else ""
        for path in paths
    ]
    indexes = find_columns(sides, labels)
    src, tgt = (
        _path_of_side(side, index, paths, where) for side, index in zip(sides, indexes, strict=True)
    )
    for side, path in zip(sides, (src, tgt), strict=True):
        if side.column is None and path[-1] != side.lang:
            log_once(logger, f"{name}: {side.lang} is read from {'.'.join(path)}")
    return src, tgt


def _path_of_side(
    side: SideSpec, index: int | None, paths: list[ColumnPath], where: str
) -> ColumnPath:
    if isinstance(side.column, int):
        raise MtkitError(
            f"{where}: {side.key} is {side.column}, but only columns of TSV and CSV are numbered",
            "specify the column's name",
        )
    if side.column is None and index is not None:
        return paths[index]
    name = side.column or side.lang
    for path in paths:
        if path == (name,) or ".".join(path) == name:
            return path
    if ("translation", name) in paths:
        return ("translation", name)
    raise missing_column_error(name, [".".join(path) for path in paths], where, side.key)


def missing_column_error(column: str, columns: list[str], where: str, key: str) -> MtkitError:
    """Return an error that lists the existing columns.

    Args:
        column: The missing column.
        columns: The existing ones.
        where: The file, and the line if it matters.
        key: Key of the recipe that names the column.
    """
    return MtkitError(
        f"{where} has no column {column}; it has {', '.join(columns) or 'none'}",
        f"correct {key}"
        if key == "document_column"
        else f"{NAME_COLUMNS}, or specify the languages",
    )


def encoding_lang(sides: SideSpecs) -> str:
    """Return the language by which the encoding of a bilingual file is guessed: not English."""
    return sides[1].lang if base_language(sides[0].lang) == "en" else sides[0].lang


def one_line(text: str) -> str:
    """Replace each line break by a space."""
    # Nearly all texts have no line breaks, and this check is faster than the search.
    return _LINE_BREAKS.sub(" ", text) if "\n" in text or "\r" in text else text


def value_at(row: Any, path: ColumnPath) -> Any:
    """Return the value at a path; None if a part of the path is None.

    Raises:
        KeyError: The row has no such path.
    """
    for key in path:
        if row is None:
            return None
        if not isinstance(row, Mapping):
            raise KeyError(key)
        row = row[key]
    return row


def batch_values(
    batch: Mapping[str, Iterable[Any]], src: ColumnPath, tgt: ColumnPath
) -> Iterator[tuple[Any, Any]]:
    """Yield the values of both sides in each row of a batch of columns."""
    for src_value, tgt_value in zip(batch[src[0]], batch[tgt[0]], strict=True):
        yield value_at(src_value, src[1:]), value_at(tgt_value, tgt[1:])


def text_pairs(
    values: Iterable[tuple[Any, Any]], sides: SideSpecs, where: str
) -> Iterator[SentencePair]:
    """Turn values into pairs: a line break becomes a space, None becomes an empty text.

    Args:
        values: Source and target of each row.
        sides: The sides, as the recipe specifies them.
        where: Location in errors, without the number of the row.
    Raises:
        MtkitError: A value is not text.
    """
    for number, (src, tgt) in enumerate(values, 1):
        if not (isinstance(src, str) and isinstance(tgt, str)):
            src, tgt = (
                _text(value, side, f"{where} {number}")
                for value, side in zip((src, tgt), sides, strict=True)
            )
        yield SentencePair(one_line(src), one_line(tgt))


def _text(value: Any, side: SideSpec, where: str) -> str:
    if value is None:
        return ""
    if side.replaces is not None and isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise MtkitError(
            f"{where}: column {side.column or side.lang} contains {type(value).__name__}, not text",
            "set src_column and tgt_column to columns of text",
        )
    return value

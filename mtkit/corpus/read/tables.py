"""Read pairs from one file with a row per pair (TSV, CSV, JSON Lines, Parquet), as a stream."""

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from mtkit.corpus.read.columns import (
    batch_values,
    encoding_lang,
    find_text_paths,
    text_pairs,
    value_at,
)
from mtkit.corpus.read.delimited import csv_pairs, tsv_pairs
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.json_lines import broken_json
from mtkit.io.text import open_binary, read_lines

_N_ROWS = 1000
"""Number of Parquet rows in memory."""
_READ_AHEAD = 1 << 20
"""Bytes of a Parquet column in memory."""


def table_pairs(
    path: Path, kind: str, name: str, sides: SideSpecs, separator: str | None = None
) -> Iterator[SentencePair]:
    """Read the pairs of a table, including blank ones; a line break becomes a space.

    Args:
        path: The file; TSV, CSV and JSON Lines may be compressed.
        kind: tsv, csv, jsonl or parquet.
        name: Name of the file in errors.
        sides: The columns of the pair.
        separator: Separator of CSV columns; detected if None.
    Raises:
        MtkitError: At the call: no such file. While reading: a column is missing, a row is
            malformed, or a value is not text.
    """
    if kind == "parquet":
        with open_binary(path, "the corpus"):
            return text_pairs(_parquet_values(path, name, sides), sides, f"`{name}`: row")
    lines = read_lines(path, what="the corpus", name=name, lang=encoding_lang(sides))
    if kind == "jsonl":
        return _closing(
            lines, text_pairs(_json_values(lines, name, sides), sides, f"`{name}`: line")
        )
    return _closing(
        lines,
        csv_pairs(lines, name, sides, separator)
        if kind == "csv"
        else tsv_pairs(lines, name, sides),
    )


def _closing(
    lines: Generator[str, None, None], pairs: Iterator[SentencePair]
) -> Iterator[SentencePair]:
    with closing(lines):
        yield from pairs


def _json_values(lines: Iterable[str], name: str, sides: SideSpecs) -> Iterator[tuple[Any, Any]]:
    paths = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            yield None, None
            continue
        where = f"`{name}`: line {number}"
        row = _json_object(line, where)
        paths = paths or find_text_paths(sides, row, name, where)
        try:
            src, tgt = value_at(row, paths[0]), value_at(row, paths[1])
        except KeyError:  # a row may have another layout
            paths = find_text_paths(sides, row, name, where)
            src, tgt = value_at(row, paths[0]), value_at(row, paths[1])
        if "\\u" in line:
            _refuse_surrogates(f"{src}{tgt}", where)
        yield src, tgt


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise broken_json(where, exc) from None
    if not isinstance(row, dict):
        raise MtkitError(
            f"{where}: expected an object, not {type(row).__name__}",
            'each line is one JSON object, such as {"de": "Hallo", "en": "Hello"}',
        )
    return row


def _refuse_surrogates(text: str, where: str) -> None:
    """Refuse lone surrogates, which JSON can spell and UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise MtkitError(
            f"{where}: \\u{ord(text[exc.start]):04x} is half of a surrogate pair",
            "correct or remove that line",
        ) from None


def _parquet_values(path: Path, name: str, sides: SideSpecs) -> Iterator[tuple[Any, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        # With pre-buffering, a whole row group would be in memory, and a file may consist of one.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_READ_AHEAD) as file:
            src, tgt = find_text_paths(sides, _nested_names(file.schema_arrow), name, f"`{name}`")
            for batch in file.iter_batches(_N_ROWS, columns=[".".join(src), ".".join(tgt)]):
                yield from batch_values(batch.to_pydict(), src, tgt)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as exc:
        reason = " ".join(str(exc).split())
        raise MtkitError(
            f"`{name}`: broken Parquet: {reason}",
            "the file is truncated, damaged or compressed; download it again",
        ) from None


def _nested_names(fields: Any) -> dict[str, Any]:
    """Return the names of a schema's or struct's fields, with nested names."""
    from pyarrow import types

    return {
        field.name: _nested_names(field.type) if types.is_struct(field.type) else None
        for field in fields
    }

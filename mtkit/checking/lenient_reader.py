"""Read corpora in chunks of lines; a damaged line is reported and does not stop the reading."""

from collections.abc import Collection, Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pair_chunks
from mtkit.io.paths import display_name
from mtkit.io.spool import spool_if_stream
from mtkit.io.text import UTF8_BOM, read_blocks, whole_lines

CHUNK_SIZE = 10_000
"""Number of lines per side in memory."""

RawLine = bytes | str
"""Bytes for two text files, decoded text for other formats."""


class RawChunk(NamedTuple):
    """Consecutive lines; one side may have fewer or none if the files have different lengths."""

    first: int
    """Number of the first line, from 1."""
    src: list[RawLine]
    tgt: list[RawLine]


class DecodedLines(NamedTuple):
    """Decoded lines, and the faults in their bytes."""

    lines: list[str]
    """Blank if the bytes are not UTF-8."""
    faults: dict[str, list[int]]
    """Indexes in `lines` by fault: invalid_utf8, crlf, bom."""


def read_chunks(source: CorpusSource, data: DataConfig) -> Iterator[RawChunk]:
    """Read a corpus from start to end, including the additional lines of a longer file.

    Raises:
        MtkitError: A file is missing or its compression is damaged; for other formats, see
            `read_pairs`.
    """
    if source.src is None or source.tgt is None:
        for first, pairs in read_pair_chunks(source, data, CHUNK_SIZE):
            yield RawChunk(first, [pair.src for pair in pairs], [pair.tgt for pair in pairs])
        return
    src_lines = _raw_lines(source.src, "the source side")
    tgt_lines = _raw_lines(source.tgt, "the target side")
    for first in count(1, CHUNK_SIZE):
        src, tgt = list(islice(src_lines, CHUNK_SIZE)), list(islice(tgt_lines, CHUNK_SIZE))
        if not src and not tgt:
            return
        yield RawChunk(first, src, tgt)


def _raw_lines(path: Path, what: str) -> Iterator[RawLine]:
    """Yield lines as `read_lines` counts them, without LF."""
    blocks = read_blocks(spool_if_stream(path, what), what=what, name=display_name(path))
    for lines in whole_lines(blocks):
        yield from lines.split(b"\n")


def lookup_lines(
    chunks: Iterable[RawChunk], numbers: Collection[int]
) -> dict[int, tuple[RawLine | None, RawLine | None]]:
    """Return source and target by line number, from 1; reads no more chunks than necessary.

    None for a side without such a line.
    """
    lines = {}
    missing = set(numbers)
    for chunk in chunks if missing else ():
        n_lines = max(len(chunk.src), len(chunk.tgt))
        in_chunk = {number for number in missing if number < chunk.first + n_lines}
        for number in in_chunk:
            index = number - chunk.first
            lines[number] = tuple(
                side[index] if index < len(side) else None for side in (chunk.src, chunk.tgt)
            )
        missing -= in_chunk
        if not missing:
            break
    return lines


def decode_lines(raw: list[RawLine], first: int) -> DecodedLines:
    """Decode the lines of a side.

    Args:
        raw: Lines without LF.
        first: Number of the first line; only line 1 can begin with a byte order mark that is not
            text.
    """
    if not raw or isinstance(raw[0], str):
        return DecodedLines([line for line in raw if isinstance(line, str)], {})
    faults: dict[str, list[int]] = {}
    lines = [line for line in raw if isinstance(line, bytes)]
    if first == 1 and lines[0].startswith(UTF8_BOM):
        faults["bom"] = [0]
        lines[0] = lines[0].removeprefix(UTF8_BOM)
    if indexes := [index for index, line in enumerate(lines) if line.endswith(b"\r")]:
        faults["crlf"] = indexes
        for index in indexes:
            lines[index] = lines[index][:-1]
    try:
        return DecodedLines(b"\n".join(lines).decode().split("\n"), faults)
    except UnicodeDecodeError:
        pass
    texts = []
    for index, line in enumerate(lines):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append("")
            faults.setdefault("invalid_utf8", []).append(index)
    return DecodedLines(texts, faults)

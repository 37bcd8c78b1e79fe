"""Write pairs as two text files, TSV or JSON Lines, compressed or not, or to stdout."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.compression import compressed, without_compression_suffix

PairsPath = Path | tuple[Path, Path]
"""One file with both sides, whose suffix selects the format, or two text files; `-` is TSV on
stdout.
"""

Pairs = Iterable[tuple[str, str]]


@contextmanager
def open_pair_writer(out: PairsPath, langs: tuple[str, str]) -> Iterator[Callable[[Pairs], None]]:
    """Open the output for pairs; files appear complete or not at all, when the block ends.

    Args:
        out: Where to write.
        langs: Keys of the two sides in JSON Lines; src and tgt if they are equal.
    Yields:
        A function that writes pairs, whose texts may not contain line feeds.
    Raises:
        MtkitError: The output cannot be written, or its name does not select a format.
    """
    with ExitStack() as stack:
        if isinstance(out, tuple):
            if out[0] == out[1]:
                raise MtkitError(
                    f"`{out[0]}`: both sides cannot go to one file of text",
                    "name two files, or one ending in .tsv or .jsonl",
                )
            src_stream, tgt_stream = (stack.enter_context(open_output(path)) for path in out)
            yield lambda pairs: _write_text(src_stream, tgt_stream, pairs)
            return
        line_of = _line_formatter(out, langs)
        stream = stack.enter_context(open_output(out))
        yield lambda pairs: _write(stream, map(line_of, pairs))


@contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written atomically, compressed as its name says; `-` is stdout."""
    if str(path) == "-":
        sys.stdout.flush()
        yield cast(BinaryIO, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with atomic_write(path) as raw, compressed(raw, str(path)) as stream:
            yield stream


def _line_formatter(path: Path, langs: tuple[str, str]) -> Callable[[tuple[str, str]], str]:
    kind = without_compression_suffix(path).suffix
    if str(path) == "-" or kind == ".tsv":
        return lambda pair: "\t".join(text.replace("\t", " ") for text in pair)
    if kind == ".jsonl":
        names = langs if langs[0] != langs[1] else ("src", "tgt")
        return lambda pair: json.dumps(dict(zip(names, pair, strict=True)), ensure_ascii=False)
    raise MtkitError(
        f"`{path}`: its name does not determine the output format",
        "name two text files, or one ending in .tsv or .jsonl",
    )


def _write_text(src_stream: BinaryIO, tgt_stream: BinaryIO, pairs: Pairs) -> None:
    pairs = list(pairs)
    _write(src_stream, (src for src, _ in pairs))
    _write(tgt_stream, (tgt for _, tgt in pairs))


def _write(stream: BinaryIO, lines: Iterable[str]) -> None:
    stream.write("".join([f"{line}\n" for line in lines]).encode())

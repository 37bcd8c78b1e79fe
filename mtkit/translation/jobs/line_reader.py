"""A text gone through once, forwards: some of its lines are read, the others only counted."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from mtkit.io.compression import decompressed, read_start
from mtkit.io.text import UTF8_BOM, Utf8Errors, Utf8Replacer, decode_lines, open_binary, read_blocks

COUNTED_BYTES = 1 << 29
"""A file of at most so many bytes is counted, which takes a second or less, a few where it is packed; of a larger one the beginning is."""
_SAMPLE_BYTES = 1 << 24
_BLOCK_SIZE = 1 << 18


class LineReader:
    """Lines as `read_lines` gives them, taken or skipped any number at a time. Skipping costs a tenth of a microsecond a line.

    Args:
        path: A file, packed or not.
        errors: What becomes of invalid UTF-8 in lines that are taken; what was replaced is told when the reader is closed.
    Raises:
        MtkitError: As `read_lines`.
    """

    def __init__(self, path: Path, errors: Utf8Errors = "strict") -> None:
        self.name = str(path)
        self.n_passed = 0
        self._replaced = Utf8Replacer(self.name) if errors == "replace" else None
        self._blocks = read_blocks(path, what="the source text")
        self._block: bytes | None = None
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blocks.close()
        if self._replaced is not None and exc is None:
            self._replaced.warn()

    def take(self, n: int, max_bytes: int = sys.maxsize) -> list[str]:
        """The next n lines; fewer at the end, and where one goes beyond so many bytes in all."""
        n_before = self.n_passed
        data = b"".join(self._next(n, max_bytes))
        return (
            list(decode_lines(data.removesuffix(b"\n"), n_before, self.name, self._replaced))
            if data
            else []
        )

    def skip(self, n: int) -> int:
        """Pass over n lines; says how many there were."""
        n_before = self.n_passed
        for _ in self._next(n):
            pass
        return self.n_passed - n_before

    @property
    def is_at_end(self) -> bool:
        """Whether there is no further line."""
        return not self._fill()

    def _next(self, n: int, max_bytes: int = sys.maxsize) -> Iterator[bytes]:
        """The bytes of the next n lines, or up to the end of the one in which there are more bytes than that."""
        n_left = n
        is_open = False
        while n_left and (is_open or max_bytes > 0) and self._fill():
            if max_bytes <= 0:
                n_left = 1
            assert self._block is not None
            end, n_found = _line_ends(self._block, self._at, n_left)
            piece = self._block[self._at : end]
            self._at = end
            n_left -= n_found
            max_bytes -= len(piece)
            self.n_passed += n_found
            is_open = not piece.endswith(b"\n")
            yield piece
        # A last line without LF counts.
        self.n_passed += is_open

    def _fill(self) -> bool:
        if self._block is None:
            self._block = read_start(self._blocks, [UTF8_BOM]).removeprefix(UTF8_BOM)
        while self._at == len(self._block):
            self._block, self._at = next(self._blocks, b""), 0
            if not self._block:
                return False
        return True


def _line_ends(block: bytes, start: int, n: int) -> tuple[int, int]:
    """Where the n-th line from `start` ends, and n; the block's end and the number of lines that end in it where they are fewer."""
    if (n_found := block.count(b"\n", start)) < n:
        return len(block), n_found
    end = start
    for _ in range(n):
        end = block.index(b"\n", end) + 1
    return end, n


class NumberOfLines(NamedTuple):
    """How many lines a file has."""

    n: int
    is_exact: bool
    """False where it is estimated by the beginning of the file."""


def number_of_lines(path: Path, what: str = "") -> NumberOfLines:
    """Count the lines of a file, or estimate their number when it is large.

    Args:
        path: A file, packed or not.
        what: What it is for; goes into the hint.
    Raises:
        MtkitError: It cannot be read.
    """
    n_bytes = n_lines = 0
    last = b""
    with open_binary(path, what) as stream:
        size = path.stat().st_size

        def blocks() -> Iterator[bytes]:
            nonlocal n_bytes
            while block := stream.read(_BLOCK_SIZE):
                n_bytes += len(block)
                yield block

        for block in decompressed(blocks(), str(path)):
            n_lines += block.count(b"\n")
            last = block or last
            if size > COUNTED_BYTES and n_bytes >= _SAMPLE_BYTES:
                return NumberOfLines(round(n_lines * size / n_bytes), False)
    return NumberOfLines(
        n_lines + (last != b"" and last != UTF8_BOM and not last.endswith(b"\n")), True
    )

"""Reading a text once, forwards, with the files whose line N belongs to its line N."""

import sys
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from mtkit.errors import MtkitError
from mtkit.io.compression import decompressed, read_start
from mtkit.io.spool import is_stream
from mtkit.io.text import UTF8_BOM, Utf8Errors, Utf8Replacer, decode_lines, open_binary, read_blocks
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.lines.records import InputLine

COUNTED_BYTES = 1 << 29
"""Files of up to this size are counted, which takes about a second, or a few if compressed; the
number of lines of a larger file is estimated from its start."""
MAX_CHUNK_BYTES = 1 << 22
"""Very long lines are read fewer at a time."""
_SAMPLE_BYTES = 1 << 24
_BLOCK_SIZE = 1 << 18
_STEP_HINT = "each of its lines belongs to the line of the input with the same number"


class InputReader:
    """Reads the lines of an input together with its prefixes and constraints.

    Args:
        files: Paths of the input and of these files.
        n_before: Number of lines to keep of those that were passed, see `before`.
    Raises:
        MtkitError: A file cannot be read, or ends before the others.
    """

    def __init__(self, files: TranslationFiles, n_before: int = 0) -> None:
        self._passed: deque[str] = deque(maxlen=n_before)
        self.before: tuple[str, ...] = ()
        """Last lines that were passed before the lines taken last."""
        self._text = LineReader(files.input_path, files.utf8_errors, "the source text")
        self._others = {
            name: LineReader(path, what=what) for name, path, what in files.parallel_inputs()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for reader in (self._text, *self._others.values()):
            reader.__exit__(*exc_info)

    @property
    def n_passed(self) -> int:
        """Number of lines read or skipped so far."""
        return self._text.n_passed

    @property
    def is_at_end(self) -> bool:
        """Whether no line is left."""
        if self._text.is_at_end:
            self._check_ends()
            return True
        return False

    def take(self, n: int) -> list[InputLine]:
        """Read n lines: fewer at the end and where lines are very long, none after the end.

        What can be read before an error is returned; the next call raises it.
        """
        texts = self._text.take(n, MAX_CHUNK_BYTES)
        self.before = tuple(self._passed)
        self._passed.extend(texts)
        if not texts:
            self._check_ends()
        columns = {
            name: self._in_step(reader, reader.take(len(texts)), len(texts))
            for name, reader in self._others.items()
        }
        if not columns:
            return [InputLine(text) for text in texts]
        return [
            InputLine(text, **{name: column[i] for name, column in columns.items()})
            for i, text in enumerate(texts)
        ]

    def skip(self, n: int) -> int:
        """Skip up to n lines and return how many there were."""
        n_kept = self._passed.maxlen or 0
        n_skipped = self._text.skip(max(n - n_kept, 0))
        while n_kept and n_skipped < n and (texts := self._text.take(n - n_skipped)):
            self._passed.extend(texts)
            n_skipped += len(texts)
        for reader in self._others.values():
            if reader.skip(n_skipped) < n_skipped:
                raise self._ended(reader, self._text)
        return n_skipped

    def skip_header(self) -> str | None:
        """Skip the header line of a table and return it; None after the end."""
        header = next((line.text for line in self.take(1)), None)
        self._passed.clear()
        return header

    def _in_step(self, reader: "LineReader", lines: list[str], n: int) -> list[str]:
        if len(lines) < n:
            # Either lines up to one that cannot be read, or all that there are.
            lines += reader.take(n - len(lines))
        if len(lines) < n:
            raise self._ended(reader, self._text)
        return lines

    def _check_ends(self) -> None:
        for reader in self._others.values():
            if not reader.is_at_end:
                raise self._ended(self._text, reader)

    def _ended(self, short: "LineReader", long: "LineReader") -> MtkitError:
        return MtkitError(
            f"`{short.name}` ends after line {short.n_passed:,}, but `{long.name}` continues",
            f"check `{(long if short is self._text else short).name}`: {_STEP_HINT}",
        )


class LineReader:
    """Reads and skips lines as `read_lines` yields them, any number at a time.

    Skipping takes a tenth of a microsecond per line.

    Args:
        path: A file, compressed or not; `-` is stdin.
        errors: Treatment of invalid UTF-8 in lines that are read; replacements are logged when the
            reader is closed.
        what: Purpose of the file, for hints.
    Raises:
        MtkitError: See `read_lines`.
    """

    def __init__(self, path: Path, errors: Utf8Errors = "strict", what: str = "") -> None:
        self.name = "stdin" if str(path) == "-" else str(path)
        self.n_passed = 0
        self._replaced = Utf8Replacer(self.name) if errors == "replace" else None
        self._blocks: Generator[bytes, None, None] = read_blocks(path, what=what)
        self._block: bytes | None = None
        self._at = 0
        self._error: MtkitError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        self._blocks.close()
        if self._replaced is not None and kind is None:
            self._replaced.warn()

    def take(self, n: int, max_bytes: int = sys.maxsize) -> list[str]:
        """Read n lines: fewer at the end, and where a line exceeds this many bytes in total.

        Lines before one that cannot be read are returned; the next call raises the error.
        """
        if self._error is not None:
            raise self._error
        n_before, lines = self.n_passed, list[str]()
        data, error = self._read(n, max_bytes)
        try:
            if data:
                for line in decode_lines(
                    data.removesuffix(b"\n"), n_before, self.name, self._replaced
                ):
                    lines.append(line)
        except MtkitError as exc:
            error = exc
        if error is not None and not lines:
            raise error
        self._error = error
        return lines

    def skip(self, n: int) -> int:
        """Skip up to n lines and return how many there were."""
        n_before = self.n_passed
        for _ in self._next(n):
            pass
        return self.n_passed - n_before

    @property
    def is_at_end(self) -> bool:
        """Whether no line is left."""
        return self._error is None and not self._fill()

    def _read(self, n: int, max_bytes: int) -> tuple[bytes, MtkitError | None]:
        """Return the bytes of the next lines, and the error that ended them early, if any."""
        blocks: list[bytes] = []
        try:
            for block in self._next(n, max_bytes):
                blocks.append(block)  # noqa: PERF402
        except MtkitError as exc:
            data = b"".join(blocks)
            return data[: data.rfind(b"\n") + 1], exc
        return b"".join(blocks), None

    def _next(self, n: int, max_bytes: int = sys.maxsize) -> Iterator[bytes]:
        """Yield the bytes of n lines, or up to the end of the line that exceeds `max_bytes`."""
        n_left = n
        is_open = False
        while n_left and (is_open or max_bytes > 0) and self._fill():
            if max_bytes <= 0:
                n_left = 1
            assert self._block is not None
            end, n_found = _line_ends(self._block, self._at, n_left)
            stretch = self._block[self._at : end]
            self._at = end
            n_left -= n_found
            max_bytes -= len(stretch)
            self.n_passed += n_found
            is_open = not stretch.endswith(b"\n")
            yield stretch
        # A last line without LF counts.
        self.n_passed += is_open

    def _fill(self) -> bool:
        """Read the next block if the current one is used up; return whether there is one."""
        if self._block is None:
            self._block = read_start(self._blocks, [UTF8_BOM]).removeprefix(UTF8_BOM)
        while self._at == len(self._block):
            self._block, self._at = next(self._blocks, b""), 0
            if not self._block:
                return False
        return True


def _line_ends(block: bytes, start: int, n: int) -> tuple[int, int]:
    """Find the end of the n-th line from an offset.

    Returns:
        That offset, and n; the length of the block and the number of lines that end in it if these
        are fewer.
    """
    if (n_found := block.count(b"\n", start)) < n:
        return len(block), n_found
    end = start
    for _ in range(n):
        end = block.index(b"\n", end) + 1
    return end, n


class NumberOfLines(NamedTuple):
    """Number of lines in a file."""

    n: int
    is_exact: bool
    """False if it is estimated from the start of the file."""


def number_of_lines(path: Path, what: str = "") -> NumberOfLines:
    """Count the lines of a file, or estimate their number if the file is large.

    Args:
        path: A file, compressed or not.
        what: Purpose of the file, for hints.
    Raises:
        MtkitError: The file cannot be read.
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


def refuse_unequal_lengths(files: TranslationFiles, n_lines: NumberOfLines) -> None:
    """Compare the lengths of all input files before anything is translated, if they are counted.

    Args:
        files: Paths of the input and of files whose lines belong to its lines.
        n_lines: Number of lines of the input.
    Raises:
        MtkitError: A file has another number of lines than the input.
    """
    for _, path, what in files.parallel_inputs():
        if is_stream(path):
            continue
        n_others = number_of_lines(path, what)
        if n_lines.is_exact and n_others.is_exact and n_lines.n != n_others.n:
            raise MtkitError(
                f"`{path}` has {n_others.n:,} lines, but `{files.input_name}` has {n_lines.n:,}",
                f"check `{path}`: {_STEP_HINT}",
            )

"""Text files, compressed or not, and stdin and stdout, as streams of lines."""

import hashlib
import logging
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal, cast

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, os_error_reason, permission_hint
from mtkit.io.compression import compressed, decompressed, read_start
from mtkit.io.encodings import conversion_hint
from mtkit.io.file_type import DOCUMENTS, WIDE_MARKS, refuse_document, refuse_other_than_text
from mtkit.io.paths import display_name

UTF8_BOM = b"\xef\xbb\xbf"
_BLOCK_SIZE = 1 << 18
_START_SIZE = 1 << 14
"""Bytes without a line feed from which a file type is recognized."""
_MAX_BLOCKS_READ_AGAIN = 256
"""Blocks of an invalid file that are read to find its encoding: 64 MiB."""

logger = logging.getLogger(__name__)

Utf8Errors = Literal["strict", "replace"]
"""Treatment of invalid UTF-8: an error with line and byte, or U+FFFD and a warning with a count."""


def read_lines(
    path: Path | str, *, what: str = "", name: str = "", lang: str = ""
) -> Generator[str, None, None]:
    """Read text as a stream of lines, so that line N is the same line in every program.

    Lines end at LF bytes alone: U+0085, U+2028, form feeds and lone CRs are part of a line, as they
    are for `wc` and `sed`. One CR before the end of a line is dropped, as is a byte order mark at
    the start of the file. A last line without LF counts. Gzip, xz and zstd are recognized by their
    first bytes. Close the stream if you may stop early: `with closing(read_lines(path)) as lines`.

    Args:
        path: The file; `-` is stdin.
        what: Purpose of the file, such as "the source side", for the hint of an error.
        name: Name of the file in errors; default: its path.
        lang: Language code of the text, if known; for invalid UTF-8, its usual encodings are
            suggested.
    Raises:
        MtkitError: At the call: no such file, or a directory. While reading: no permission, damaged
            compression, a document or archive, UTF-16, lines that end in CR alone, invalid UTF-8.
    """
    name = name or display_name(path)
    return _lines(read_blocks(path, what=what, name=name), name, lang)


def read_blocks(
    path: Path | str, *, what: str = "", name: str = "", is_xml: bool = False
) -> Generator[bytes, None, None]:
    """Read the decompressed bytes of a file; close the stream as that of `read_lines`.

    Bytes from a terminal or pipe are passed on at once, without waiting for a full block.

    Args:
        path: The file; `-` is stdin.
        what: Purpose of the file, for the hint of an error.
        name: Name of the file in errors; default: its path.
        is_xml: Whether encoding and line ends are left to an XML parser.
    Raises:
        MtkitError: At the call: no such file, or a directory. While reading: no permission, damaged
            compression, a document or archive; and, unless it is XML, UTF-16 or lines that end in
            CR alone.
    """
    if str(path) != "-":
        _check_is_file(Path(path), what)
    return _blocks(
        path,
        what,
        name or display_name(path),
        refuse_document if is_xml else refuse_other_than_text,
    )


def _blocks(
    path: Path | str, what: str, name: str, refuse: Callable[[bytes, str], None]
) -> Generator[bytes, None, None]:
    is_stdin = str(path) == "-"
    with nullcontext(sys.stdin.buffer) if is_stdin else open_binary(Path(path), what) as stream:
        read = getattr(stream, "read1", stream.read)
        blocks = decompressed(iter(lambda: read(_BLOCK_SIZE), b""), name)
        start = read_start(blocks, [*DOCUMENTS, *WIDE_MARKS])
        # A pipe may deliver a line in parts, and a CR in the first one is not a line end yet.
        while b"\n" not in start and len(start) < _START_SIZE and (block := next(blocks, b"")):
            start += block
        refuse(start, name)
        yield from chain([start] if start else [], blocks)


def _lines(
    blocks: Generator[bytes, None, None], name: str, lang: str
) -> Generator[str, None, None]:
    n_read = 0
    with closing(blocks):
        start = read_start(blocks, [UTF8_BOM]).removeprefix(UTF8_BOM)
        for lines in whole_lines(chain([start], blocks)):
            yield from decode_lines(lines, n_read, name, lang=lang)
            n_read += lines.count(b"\n") + 1


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks of bytes at line feeds, so that each consists of whole lines.

    Yields:
        Lines with LFs between them and none at the end. A last line without LF counts.
    """
    rest: list[bytes] = []
    for block in blocks:
        whole, line_feed, tail = block.rpartition(b"\n")
        if line_feed:
            yield b"".join([*rest, whole])
            rest = []
        rest.append(tail)
    if last := b"".join(rest):
        yield last


def decode_lines(
    block: bytes, n_before: int, name: str, replacer: "Utf8Replacer | None" = None, lang: str = ""
) -> Iterable[str]:
    """Split a block of bytes into decoded lines.

    Args:
        block: Lines with LFs between them and none at the end.
        n_before: Lines of the file before the block.
        name: Name of the file in errors.
        replacer: Replaces invalid UTF-8; None makes it an error.
        lang: Language code of the text, if known.
    Raises:
        MtkitError: Invalid UTF-8; raised at the call or when the line is reached.
    """
    try:
        lines = block.decode().split("\n")
    except UnicodeDecodeError:
        if replacer is None:
            lines = _lines_until_invalid(block, n_before, name, lang)
        else:
            lines = replacer.decode(block).split("\n")
    return (
        (line[:-1] if line.endswith("\r") else line for line in lines) if b"\r" in block else lines
    )


class Utf8Replacer:
    """Decodes UTF-8 with U+FFFD for invalid bytes, and counts these.

    Args:
        name: Name of the file in the warning.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_replacements = 0

    def decode(self, block: bytes) -> str:
        """Decode bytes, and count the invalid sequences."""
        text = block.decode(errors="replace")
        self.n_replacements += text.count("\ufffd") - block.count("\ufffd".encode())
        return text

    def warn(self) -> None:
        """Log how many sequences were replaced, if any."""
        if self.n_replacements:
            logger.warning(
                "`%s`: invalid UTF-8 in %s, read as U+FFFD",
                self.name,
                "1 place" if self.n_replacements == 1 else f"{self.n_replacements:,} places",
            )


def _lines_until_invalid(block: bytes, n_before: int, name: str, lang: str) -> Iterator[str]:
    for number, line in enumerate(block.split(b"\n"), n_before + 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as exc:
            where = f"line {number}, byte {exc.start + 1} of the line (0x{line[exc.start]:02x})"
            raise MtkitError(
                f"`{name}`: invalid UTF-8 in {where}", invalid_utf8_hint(block, name, lang)
            ) from None


def invalid_utf8_hint(lines: bytes, name: str, lang: str) -> str:
    """Return how to convert a file that is not UTF-8, judged by all its lines if it is a file.

    Args:
        lines: Some of its lines, one of them invalid.
        name: The file.
        lang: Language code of the text; empty if unknown.
    """
    return conversion_hint(_read_again(name) or lines, name, lang)


def _read_again(name: str) -> bytes:
    """Read whole lines from the start of a file; empty if none of them is invalid UTF-8."""
    path = Path(name)
    if not path.is_file():
        return b""
    with closing(read_blocks(path)) as blocks:
        data = b"".join(islice(blocks, _MAX_BLOCKS_READ_AGAIN))
        data = data if next(blocks, None) is None else data[: data.rfind(b"\n") + 1]
    try:
        data.decode()
    except UnicodeDecodeError:
        return data
    return b""


@contextmanager
def open_binary(path: Path, what: str = "") -> Iterator[BufferedReader]:
    """Open a file to read its bytes.

    Args:
        path: The file.
        what: Purpose of the file, for the hint of an error.
    Raises:
        MtkitError: It cannot be read.
    """
    _check_is_file(path, what)
    try:
        stream = path.open("rb")
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}", permission_hint(exc)
        ) from None
    with stream:
        yield stream


def _check_is_file(path: Path, what: str) -> None:
    hint = f"check the path of {what}" if what else "check the path"
    try:
        is_dir = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise MtkitError(f"`{path}`: no such file", hint) from None
    except (OSError, ValueError) as exc:
        raise MtkitError(f"`{path}`: cannot be read: {os_error_reason(exc)}", hint) from None
    if is_dir:
        raise MtkitError(f"`{path}`: is a directory, not a file", hint)


def sha256_file(path: Path, what: str = "") -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits.

    Args:
        path: The file.
        what: Purpose of the file, for hints.
    Raises:
        MtkitError: The file cannot be read.
    """
    with open_binary(path, what) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_lines(path: Path | str | None, lines: Iterable[str]) -> None:
    """Write lines as UTF-8, each followed by LF.

    Args:
        path: The file, written completely or not at all, and compressed if its name ends in .gz,
            .xz or .zst. None or `-` is stdout, where each line is flushed at once, unless stdout is
            a file.
        lines: Texts without line ends.
    Raises:
        MtkitError: The file cannot be written.
        ValueError: A line contains LF or ends in CR, so that reading would not return it.
    """
    if path is None or str(path) == "-":
        sys.stdout.flush()
        _write(cast(BinaryIO, sys.stdout.buffer), lines, flush=_is_interactive(sys.stdout))
        return
    path = Path(path)
    with atomic_write(path) as raw, compressed(raw, str(path)) as stream:
        _write(stream, lines, flush=False)


def _write(stream: BinaryIO, lines: Iterable[str], *, flush: bool) -> None:
    for line in lines:
        if "\n" in line or line.endswith("\r"):
            raise ValueError(f"a line must not contain a line end: {line[:80]!r}")
        stream.write(line.encode() + b"\n")
        if flush:
            stream.flush()
    stream.flush()


def _is_interactive(stream: object) -> bool:
    """Whether a reader may be waiting for each line: true of terminals and pipes, not of files."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return False

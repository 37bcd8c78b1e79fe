"""Text, packed or not, stdin and stdout through one pair of functions, and writes that happen whole or not at all."""

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal, Self, cast

from mtkit.errors import MtkitError
from mtkit.io.compression import packed, take_start, unpacked
from mtkit.io.encodings import (
    DOCUMENTS,
    WIDE_MARKS,
    conversion_hint,
    refuse_document,
    refuse_other_than_text,
)

UTF8_BOM = b"\xef\xbb\xbf"
_BLOCK_SIZE = 1 << 18
_MAX_BLOCKS_READ_AGAIN = 256
"""Bytes read of a file that is not UTF-8, to find its encoding: 64 MiB."""


logger = logging.getLogger(__name__)

Utf8Errors = Literal["strict", "replace"]
"""What becomes of invalid UTF-8: it is an error that names the place, or it is read as U+FFFD, and a warning tells how often."""


def read_lines(
    path: Path | str,
    *,
    what: str = "",
    name: str = "",
    lang: str = "",
    errors: Utf8Errors = "strict",
    warns: bool = True,
) -> Generator[str, None, None]:
    """Read text as a stream of lines, so that line N means the same in every file.

    Lines end at LF bytes alone: U+0085, U+2028, form feeds and lone CRs are part of a line, as they are for `wc` and `sed`.
    One CR before the end of a line is dropped, as is a byte order mark at the start of the file. A last line without LF counts.
    Gzip, xz and zstd are known by their first bytes. Who may stop before the end closes the stream: `with closing(read_lines(path)) as lines`.

    Args:
        path: The file; `-` is stdin.
        what: What the file is for, as in "the source side"; goes into the hint.
        name: What errors call the file; default its path.
        lang: Language code of the text, if known; its usual encodings are suggested for invalid UTF-8.
        errors: What becomes of invalid UTF-8.
        warns: Whether to tell at the end what was replaced; not of somebody who reads the file a second time.
    Raises:
        MtkitError: At the call: no such file, or a folder. While reading: no permission, a broken packed file, a document or archive, UTF-16,
            lines that end in CR alone, invalid UTF-8 (with line and byte).
    """
    name = name or _name(path)
    return _lines(
        read_blocks(path, what=what, name=name),
        name,
        lang,
        Replaced(name, warns) if errors == "replace" else None,
    )


def read_blocks(
    path: Path | str, *, what: str = "", name: str = "", is_xml: bool = False
) -> Generator[bytes, None, None]:
    """Read a file's bytes as they come, unpacked; a terminal or pipe is not made to wait for a full block. To be closed as `read_lines` is.

    Args:
        path: The file; `-` is stdin.
        what: What the file is for; goes into the hint.
        name: What errors call the file; default its path.
        is_xml: Whether its encoding and line ends are left to an XML parser.
    Raises:
        MtkitError: At the call: no such file, or a folder. While reading: no permission, a broken packed file, a document or archive; UTF-16 and
            lines that end in CR alone, unless it is XML.
    """
    if str(path) != "-":
        _check_exists(Path(path), what)
    return _blocks(
        path, what, name or _name(path), refuse_document if is_xml else refuse_other_than_text
    )


def _name(path: Path | str) -> str:
    return "stdin" if str(path) == "-" else str(path)


def _blocks(
    path: Path | str, what: str, name: str, refuse: Callable[[bytes, str], None]
) -> Generator[bytes, None, None]:
    with (
        nullcontext(sys.stdin.buffer) if str(path) == "-" else readable(Path(path), what) as stream
    ):
        read = getattr(stream, "read1", stream.read)
        blocks = unpacked(iter(lambda: read(_BLOCK_SIZE), b""), name)
        start = take_start(blocks, [*DOCUMENTS, *WIDE_MARKS])
        refuse(start, name)
        yield from chain([start] if start else [], blocks)


def _lines(
    blocks: Generator[bytes, None, None], name: str, lang: str, replaced: "Replaced | None"
) -> Generator[str, None, None]:
    n_read = 0
    rest = b""
    with closing(blocks), replaced or nullcontext():
        start = take_start(blocks, [UTF8_BOM]).removeprefix(UTF8_BOM)
        for block in chain([start], blocks):
            whole, line_feed, tail = block.rpartition(b"\n")
            if not line_feed:
                rest += block
                continue
            whole = rest + whole
            rest = tail
            yield from decode_lines(whole, n_read, name, replaced, lang)
            n_read += whole.count(b"\n") + 1
        if rest:
            yield from decode_lines(rest, n_read, name, replaced, lang)


def decode_lines(
    block: bytes, n_before: int, name: str, replaced: "Replaced | None" = None, lang: str = ""
) -> Iterable[str]:
    """The lines of a stretch of text.

    Args:
        block: Lines with LFs between them, none at the end.
        n_before: Lines of the file before it.
        name: What errors call the file.
        replaced: Counts invalid UTF-8, which is then no error.
        lang: Language code of the text, if known.
    Raises:
        MtkitError: Invalid UTF-8, at the call or when that line is asked for.
    """
    try:
        lines = block.decode().split("\n")
    except UnicodeDecodeError:
        if replaced is None:
            lines = _lines_up_to_the_bad_one(block, n_before, name, lang)
        else:
            lines = replaced.decode(block).split("\n")
    return (
        (line[:-1] if line.endswith("\r") else line for line in lines) if b"\r" in block else lines
    )


class Replaced:
    """Reads invalid UTF-8 as U+FFFD. As a context, it warns at the end if there was any.

    Args:
        name: What the warning calls the file.
        warns: Whether there is one.
    """

    def __init__(self, name: str, warns: bool = True) -> None:
        self.name = name
        self.warns = warns
        self.n_places = 0

    def decode(self, block: bytes) -> str:
        """The text, with U+FFFD for each stretch of bytes that is no character."""
        text = block.decode(errors="replace")
        self.n_places += text.count("\ufffd") - block.count("\ufffd".encode())
        return text

    def warn(self) -> None:
        """Tell how much was replaced, if anything was."""
        if self.n_places:
            logger.warning(
                "`%s`: invalid UTF-8 in %s, read as U+FFFD",
                self.name,
                "1 place" if self.n_places == 1 else f"{self.n_places:,} places",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.warns:
            self.warn()


def _lines_up_to_the_bad_one(block: bytes, n_before: int, name: str, lang: str) -> Iterator[str]:
    for number, line in enumerate(block.split(b"\n"), n_before + 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as exc:
            where = f"line {number}, byte {exc.start + 1} of the line (0x{line[exc.start]:02x})"
            raise MtkitError(
                f"`{name}`: invalid UTF-8 in {where}", invalid_utf8_hint(block, name, lang)
            ) from None


def invalid_utf8_hint(lines: bytes, name: str, lang: str) -> str:
    """Say how to convert a file that is not UTF-8, by all of its lines if it can be read again.

    Args:
        lines: Some lines of it, one of them invalid.
        name: The file.
        lang: Language code of the text; empty if unknown.
    """
    return conversion_hint(_read_again(name) or lines, name, lang)


def _read_again(name: str) -> bytes:
    """The beginning of a file, as whole lines; empty where it can be read only once, or has no invalid UTF-8 so early."""
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
def readable(path: Path, what: str = "") -> Iterator[BufferedReader]:
    """Open a file's bytes to read; an operating system's refusal becomes a MtkitError."""
    _check_exists(path, what)
    try:
        stream = path.open("rb")
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {_reason(exc)}", _permission_hint(exc)
        ) from None
    with stream:
        yield stream


def _check_exists(path: Path, what: str) -> None:
    hint = f"check the path of {what}" if what else "check the path"
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise MtkitError(f"`{path}`: no such file", hint) from None
    except (OSError, ValueError) as exc:
        raise MtkitError(f"`{path}`: cannot be read: {_reason(exc)}", hint) from None
    if is_folder:
        raise MtkitError(f"`{path}`: is a folder, not a file", hint)


def write_lines(path: Path | str | None, lines: Iterable[str]) -> None:
    """Write lines as UTF-8, each ended by LF.

    Args:
        path: The file, written whole or not at all, packed when its name ends in .gz, .xz or .zst. None or `-` is stdout, where each line is sent on
            at once unless stdout is a file.
        lines: Texts without line ends.
    Raises:
        MtkitError: The file cannot be written.
        ValueError: A line holds an LF or ends in CR, so that reading would not give it back.
    """
    if path is None or str(path) == "-":
        sys.stdout.flush()
        _write(cast(BinaryIO, sys.stdout.buffer), lines, flush=_is_followed(sys.stdout))
        return
    path = Path(path)
    with atomic_write(path) as raw, packed(raw, str(path)) as stream:
        _write(stream, lines, flush=False)


def _write(stream: BinaryIO, lines: Iterable[str], *, flush: bool) -> None:
    for line in lines:
        if "\n" in line or line.endswith("\r"):
            raise ValueError(f"a line must not hold a line end: {line[:80]!r}")
        stream.write(line.encode() + b"\n")
        if flush:
            stream.flush()
    stream.flush()


def _is_followed(stream: object) -> bool:
    """Whether somebody may be reading as we write: true of terminals and pipes, not of files."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return False


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write that appears whole or not at all.

    The bytes go to a file beside it, which is renamed into place when the block ends well and removed when it does not. Missing folders
    are made. A link is followed; a pipe or a device is written directly, since a rename would replace it.

    Raises:
        MtkitError: The file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise MtkitError(f"`{path}`: is a folder, not a file", "name a file")
    # By the path itself: a pipe behind /dev/stdout does not resolve to a path.
    if path.exists() and not path.is_file():
        with told_as_error(path), path.open("wb") as stream:
            yield stream
        return
    temporary = _beside(target)
    with told_as_error(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Fill a folder that appears whole or not at all.

    Yields an empty folder beside it, which is renamed into place when the block ends well and removed when it does not. What stood at
    `path` stays readable until then, and is moved aside and removed only at the end.

    Raises:
        MtkitError: The folder cannot be written, or `path` is a file.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise MtkitError(
            f"`{path}`: is a file, not a folder", "name another folder, or move the file away"
        )
    temporary = _beside(target)
    with told_as_error(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _sync_tree(temporary)
            replace_dir(temporary, target)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)


def replace_dir(new: Path, target: Path) -> None:
    """Rename a finished folder into place; what stood there is moved aside first, and removed at the end.

    If the process is killed while nothing stands at `target`, `tidy` puts back what stood there.

    Args:
        new: On the same disk as `target`.
        target: Where it shall be.
    """
    old = _beside(target, "old") if target.exists() else None
    if old is not None:
        os.rename(target, old)
    try:
        os.rename(new, target)
    except BaseException:
        if old is not None:
            os.rename(old, target)
        raise
    _sync_folder(target.parent)
    if old is not None:
        shutil.rmtree(old)


def remove_dir(path: Path) -> None:
    """Remove a folder, which is gone at once and never half there."""
    going = _beside(path)
    os.rename(path, going)
    shutil.rmtree(going)


def tidy(folder: Path, names: Collection[str] | None = None) -> None:
    """Clear up what killed processes left in a folder, not below it: half-written files and folders go, a folder that was moved aside comes back.

    Args:
        folder: Need not be there.
        names: Of files and folders that nobody else writes meanwhile; None says so of all in it.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _LEFTOVER.fullmatch(path.name)
        if match is None or (names is not None and match["name"] not in names):
            continue
        target = folder / match["name"]
        if match["kind"] == "old" and not target.exists():
            os.rename(path, target)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def is_leftover(path: Path) -> bool:
    """Whether only a process that was killed leaves such a file or folder; `tidy` clears it up."""
    return _LEFTOVER.fullmatch(path.name) is not None


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        MtkitError: The file cannot be read.
    """
    with readable(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>tmp|old)")


def _beside(target: Path, kind: Literal["tmp", "old"] = "tmp") -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{kind}")


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(parent, name), "rb") as stream:
                os.fsync(stream.fileno())
        _sync_folder(Path(parent))


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system can open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def told_as_error(path: Path) -> Iterator[None]:
    """An OSError becomes a MtkitError about `path`; a pipe whose reader left stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be written: {_reason(exc)}", _permission_hint(exc)
        ) from exc


def _permission_hint(exc: OSError) -> str:
    if isinstance(exc, PermissionError):
        return "check its permissions with `ls -l`, or choose another place"
    if exc.errno == errno.ENOSPC:
        return "make room, or choose another disk"
    return "check the path"


def _reason(exc: Exception) -> str:
    if isinstance(exc, FileExistsError | NotADirectoryError):
        return "a part of its path is a file"
    return (exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)).lower()

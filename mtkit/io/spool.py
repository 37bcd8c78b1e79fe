"""Temporary copies of input that can be read only once, since a corpus is read several times."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from mtkit.io.atomic import convert_os_errors
from mtkit.io.paths import display_name
from mtkit.io.text import open_binary, read_lines

_copies: dict[object, Path] = {}
"""Temporary files by the stream or path that they are copies of."""


def is_stream(path: Path) -> bool:
    """Whether a path is stdin (`-`), a pipe or a terminal, which can be read only once."""
    return str(path) == "-" or path.is_fifo() or path.is_char_device()


def spool_if_stream(path: Path, what: str = "") -> Path:
    """Return a file that can be read repeatedly: the path itself, or a copy of a stream.

    The copy is made at the first call and removed when the process ends.

    Args:
        path: A file, a pipe, or `-`.
        what: Purpose of the file, for the hint of an error.
    Raises:
        MtkitError: A pipe cannot be read, or there is no disk space for the copy.
    """
    if not is_stream(path):
        return path
    source = sys.stdin.buffer if str(path) == "-" else path
    if source not in _copies:
        is_path = isinstance(source, Path)
        with open_binary(source, what) if is_path else nullcontext(source) as stream:
            _copies[source] = _copy(stream)
    return _copies[source]


def read_spooled_lines(path: Path, what: str, lang: str = "") -> Generator[str, None, None]:
    """Read the lines of a file or stream, which may be read again; see `read_lines`."""
    name = display_name(path)
    return read_lines(spool_if_stream(path, what), what=what, name=name, lang=lang)


def _copy(stream: BinaryIO) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="mtkit-")
    # A forked process inherits the exit handler, but the file belongs to its parent.
    atexit.register(_remove, name, os.getpid())
    hint = "set TMPDIR to a directory on a disk with enough space for the whole input"
    with open(descriptor, "wb") as copy, convert_os_errors(Path(name), hint):
        shutil.copyfileobj(stream, copy)
        copy.flush()
    return Path(name)


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(name).unlink(missing_ok=True)

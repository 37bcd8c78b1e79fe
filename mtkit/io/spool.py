"""Input that can be read only once, kept in a temporary file: a corpus is read several times."""

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from mtkit.errors import MtkitError
from mtkit.io.text import readable

_copies: dict[object, Path] = {}
"""Temporary files, by the stream or the path that they hold the bytes of."""


def is_read_once(path: Path) -> bool:
    """Whether it is stdin (`-`), a pipe or a terminal."""
    return str(path) == "-" or path.is_fifo() or path.is_char_device()


def rereadable(path: Path, what: str = "") -> Path:
    """A file that can be read again and again: the path itself, or a copy of what can be read only once.

    A copy is made at the first call and removed when the process ends.

    Args:
        path: A file, a pipe, or `-`.
        what: What it is for; goes into the hint.
    Raises:
        MtkitError: A pipe cannot be read, or there is no room for the copy.
    """
    if not is_read_once(path):
        return path
    source = sys.stdin.buffer if str(path) == "-" else path
    if source not in _copies:
        with readable(source, what) if isinstance(source, Path) else nullcontext(source) as stream:
            _copies[source] = _copy(stream)
    return _copies[source]


def shown_name(path: Path) -> str:
    """What reports and errors call it."""
    return "stdin" if str(path) == "-" else str(path)


def _copy(stream: BinaryIO) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="mtkit-")
    # A forked process inherits the duty, but must leave the file to its parent.
    atexit.register(_remove, name, os.getpid())
    with open(descriptor, "wb") as copy:
        try:
            shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise MtkitError(
                f"`{name}`: cannot be written: {reason}",
                "set TMPDIR to a folder with room for the whole input",
            ) from None
    return Path(name)


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(name).unlink(missing_ok=True)

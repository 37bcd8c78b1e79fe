"""Temporary copies of input that can be read only once, since a corpus is read several times."""

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from mtkit.errors import MtkitError
from mtkit.io.text import open_binary

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


def _copy(stream: BinaryIO) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="mtkit-")
    # A forked process inherits the exit handler, but the file belongs to its parent.
    atexit.register(_remove, name, os.getpid())
    with open(descriptor, "wb") as copy:
        try:
            shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise MtkitError(
                f"`{name}`: cannot be written: {reason}",
                "set TMPDIR to a directory on a disk with enough space for the whole input",
            ) from None
    return Path(name)


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(name).unlink(missing_ok=True)

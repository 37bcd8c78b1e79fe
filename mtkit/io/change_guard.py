"""Detect that another program changes a file while it is read."""

from pathlib import Path

from mtkit.errors import MtkitError

FileStamp = tuple[int, int, int]
"""Size in bytes, time of the last change in nanoseconds, and inode."""


def file_stamp(path: Path) -> FileStamp | None:
    """Return what changes when a file is written or replaced; None where there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def changed_while_read(path: Path) -> MtkitError:
    """Make the error for a file whose stamp differs."""
    return MtkitError(
        f"`{path}`: changed while it was read", "run it again when nothing else writes to it"
    )

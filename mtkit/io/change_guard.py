"""Detect that another program changes a file while it is read."""

from collections.abc import Callable, Iterable
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


class FileSnapshot:
    """State of files before they are read.

    Args:
        list_paths: Returns the files. It is called again by each check, so that a file which was
            added or removed is noticed too.
    """

    def __init__(self, list_paths: Callable[[], Iterable[Path]]) -> None:
        self._list_paths = list_paths
        self.stamps = self._current()

    def check(self) -> None:
        """Compare with the current state.

        Raises:
            MtkitError: A file was changed, replaced, added or removed.
        """
        now = self._current()
        for path in sorted(self.stamps.keys() | now.keys()):
            if self.stamps.get(path) != now.get(path):
                raise MtkitError(
                    f"`{path}`: changed while it was read",
                    "run it again when nothing else writes to it",
                )

    def _current(self) -> dict[Path, FileStamp | None]:
        return {path: file_stamp(path) for path in self._list_paths()}

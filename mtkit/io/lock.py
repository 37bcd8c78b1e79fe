"""Locks between processes."""

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mtkit.errors import MtkitError
from mtkit.io.atomic import convert_os_errors


class LockedError(MtkitError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Enter a context that admits one process at a time.

    The system releases the lock of a process that ends in any way. Where the disk has no locks,
    every process enters.

    Args:
        path: The lock file, removed at the end; missing directories are made.
        what: Activity in this context, as in "trains in `run`".
    Raises:
        LockedError: Another process is in it.
        MtkitError: The file cannot be made.
    """
    with convert_os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise LockedError(
                f"another process ({_holder(path)}) {what}", "wait until it has ended, or end it"
            ) from None
        except OSError as exc:
            if exc.errno not in (errno.ENOLCK, errno.ENOTSUP):  # no locks on this disk
                raise
        path.write_text(f"{os.getpid()} on {platform.node()}\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:  # it has just ended
        return "ending"

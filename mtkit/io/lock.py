"""One process at a time."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.text import told_as_error


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """A context that one process at a time may be in. The system opens the lock when a process ends, however it ends.

    Where the system or the disk knows no locks, all may enter.

    Args:
        path: A file that is there meanwhile; missing folders are made.
        what: What happens in this context, as in "trains in `run`".
    Raises:
        MtkitError: Another process is in it, or the file cannot be made.
    """
    with told_as_error(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open_for_good(path, what)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _open_for_good(path: Path, what: str) -> int:
    """The lock's file, opened and locked; another one, when it was removed in the meantime by who had it before."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            if _is_at(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()} on {platform.node()}\n".encode())
                return descriptor
        except BlockingIOError:
            with suppress(OSError):
                who = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise MtkitError(
                f"another process ({who}) {what}", "wait until it has ended, or end it"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """By the process, not by the open file: children that outlive it do not keep it."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except PermissionError:  # some systems' word for the same
        raise BlockingIOError from None
    except OSError:  # no locks on this disk
        return


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

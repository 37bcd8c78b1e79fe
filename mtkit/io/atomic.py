"""All-or-nothing writing: a file or directory appears complete at its path, or not at all."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from mtkit.errors import MtkitError

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>tmp|old)")


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path` complete or not at all.

    The bytes go to a temporary file in the same directory. It is renamed to `path` when the block
    ends normally, and removed when the block raises. Missing parent directories are created. A link
    is followed. A pipe or a device is written to directly, since a rename would replace it.

    Raises:
        MtkitError: The file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise MtkitError(f"`{path}`: is a directory, not a file", "name a file")
    # Check `path`, not `target`: a pipe behind /dev/stdout does not resolve to a path.
    if path.exists() and not path.is_file():
        with convert_os_errors(path), path.open("wb") as stream:
            yield stream
        return
    temporary = _sibling(target)
    with convert_os_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
            _sync_dir(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Fill a directory that appears at `path` complete or not at all.

    Yields an empty temporary directory, which is renamed to `path` when the block ends normally,
    and removed when the block raises. An existing directory at `path` stays readable until then.

    Raises:
        MtkitError: The directory cannot be written, or `path` is a file.
    """
    refuse_file(path)
    target = Path(os.path.realpath(path))
    temporary = _sibling(target)
    with convert_os_errors(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _sync_tree(temporary)
            replace_dir(temporary, target)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)


def refuse_file(path: Path) -> None:
    """Check that nothing but a directory is in the place of a directory to be written.

    Raises:
        MtkitError: There is a file.
    """
    if path.exists() and not path.is_dir():
        raise MtkitError(
            f"`{path}`: is a file, not a directory", "name another directory, or move the file away"
        )


def replace_dir(new: Path, target: Path) -> None:
    """Rename a complete directory to `target`; an existing one is moved aside, then removed.

    If the process is killed between the two renames, `clean_up_leftovers` restores the old one.

    Args:
        new: A directory on the same disk as `target`.
        target: Its new path.
    """
    old = _sibling(target, "old") if target.exists() else None
    if old is not None:
        os.rename(target, old)
    try:
        os.rename(new, target)
    except BaseException:
        if old is not None:
            os.rename(old, target)
        raise
    _sync_dir(target.parent)
    if old is not None:
        shutil.rmtree(old)


def remove_dir(path: Path) -> None:
    """Remove a directory; at no time is it partly there under its name."""
    renamed = _sibling(path)
    os.rename(path, renamed)
    shutil.rmtree(renamed)


def clean_up_leftovers(directory: Path, names: Collection[str] | None = None) -> None:
    """Clean up what killed processes left in a directory, without its subdirectories.

    Incomplete files and directories are removed; a directory that was moved aside is restored.

    Args:
        directory: Need not exist.
        names: Names of files and directories that no other process is writing; None if no other
            process writes anything in the directory.
    """
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        match = _LEFTOVER.fullmatch(path.name)
        if match is None or (names is not None and match["name"] not in names):
            continue
        target = directory / match["name"]
        if match["kind"] == "old" and not target.exists():
            os.rename(path, target)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def is_leftover(path: Path) -> bool:
    """Whether a file or directory has a temporary name, which only killed processes leave."""
    return _LEFTOVER.fullmatch(path.name) is not None


@contextmanager
def convert_os_errors(path: Path, hint: str = "") -> Iterator[None]:
    """Raise an OSError as a MtkitError that names `path`, except for a broken pipe.

    Args:
        path: What is written.
        hint: How to fix the error; by default, this depends on its kind.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be written: {os_error_reason(exc)}", hint or permission_hint(exc)
        ) from exc


def permission_hint(exc: OSError) -> str:
    """Return how to fix an error of the operating system."""
    if isinstance(exc, PermissionError):
        return "check its permissions with `ls -l`, or choose another path"
    if exc.errno == errno.ENOSPC:
        return "free some disk space, or choose another disk"
    return "check the path"


def os_error_reason(exc: Exception) -> str:
    """Return the cause of an error of the operating system, in lower case."""
    if isinstance(exc, FileExistsError | NotADirectoryError):
        return "a part of its path is a file"
    return (exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)).lower()


def _sibling(target: Path, kind: Literal["tmp", "old"] = "tmp") -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{kind}")


def _sync_tree(directory: Path) -> None:
    for parent, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(parent, name), "rb") as stream:
                os.fsync(stream.fileno())
        _sync_dir(Path(parent))


def _sync_dir(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:  # not every system can open a directory
        return
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

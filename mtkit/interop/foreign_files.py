"""Files of models of other programs, read without trusting them."""

import stat
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason

INCOMPLETE = "the directory is not complete; make or copy it again"
"""Hint where a file is missing or damaged."""


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a regular file of limited size.

    Raises:
        MtkitError: It is missing, not a regular file, or larger than `limit` bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MtkitError(f"`{path}`: not a regular file", INCOMPLETE)
        if status.st_size > limit:
            raise MtkitError(
                f"`{path}`: has {status.st_size:,} bytes, more than {limit:,}", INCOMPLETE
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise MtkitError(f"`{path}`: no such file", INCOMPLETE) from None
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}",
            "check its permissions",
        ) from None

"""Standard streams that were closed before the start, as by `>&-` or a service manager."""

import io
import os
import sys
from typing import Any, NoReturn

from mtkit.errors import MtkitError


class _ClosedStream(io.RawIOBase):
    """Replacement of a closed stream that raises an error when it is used."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def readable(self) -> bool:
        return self._name == "stdin"

    def writable(self) -> bool:
        return self._name != "stdin"

    def readinto(self, buffer: Any) -> NoReturn:
        raise self._error()

    def write(self, data: Any) -> NoReturn:
        raise self._error()

    def _error(self) -> MtkitError:
        verb, option = (
            ("read", "give a file instead of -")
            if self._name == "stdin"
            else ("written", "redirect it, for example to /dev/null")
        )
        return MtkitError(f"{self._name} is closed, so it cannot be {verb}", option)


def replace_closed_streams() -> None:
    """Make the use of a closed stdin or stdout an error; output to a closed stderr is discarded.

    Their file descriptors are occupied, because the next opened file would otherwise get one of
    them, and with it the output of libraries.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedStream("stdin")))
    if sys.stdout is None:
        # Unbuffered, because a buffer would be written again when the interpreter exits.
        sys.stdout = io.TextIOWrapper(_ClosedStream("stdout"), encoding="utf-8", write_through=True)  # pyright: ignore[reportArgumentType]
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115

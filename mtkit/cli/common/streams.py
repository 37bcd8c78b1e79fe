"""Standard streams that were closed before the program started, as by `>&-` or a service manager."""

import io
import os
import sys
from typing import Any, NoReturn

from mtkit.errors import MtkitError


class _ClosedStream(io.RawIOBase):
    """Stand-in for a closed stream: raises an error at its first use."""

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
            ("read", "name a file in place of -")
            if self._name == "stdin"
            else ("written", "redirect it, for example to /dev/null")
        )
        return MtkitError(f"{self._name} is closed, so it cannot be {verb}", option)


def replace_closed_streams() -> None:
    """Make a use of closed streams an error that names them; what goes to a closed stderr is
    dropped.

    Their descriptors are taken, because a file that is opened next would get one of them, and with
    it whatever libraries print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedStream("stdin")))
    if sys.stdout is None:
        # Without a buffer, which would be written once more when the interpreter ends.
        sys.stdout = io.TextIOWrapper(_ClosedStream("stdout"), encoding="utf-8", write_through=True)  # pyright: ignore[reportArgumentType]
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115

"""A line of input as what it is: texts to translate, and what becomes of the line once they are translated."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from mtkit.translation.result import Translation


class Record(NamedTuple):
    """One line of input."""

    texts: list[str]
    """What is translated: one for each field."""
    write: Callable[[Sequence[Translation]], str]
    """From the translations of these texts to the line (or, with n best, lines) of output."""


class RecordReader(Protocol):
    """Takes lines apart."""

    def read(self, line: str, where: str) -> Record:
        """One line.

        Args:
            line: Without its end.
            where: What errors call the place.
        Raises:
            MtkitError: The line is not as it should be.
        """
        ...

    def header(self) -> str | None:
        """The output's first line, where there is one that names its columns."""
        ...

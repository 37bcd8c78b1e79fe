"""Values that travel with a line, from the input through a worker process to the output."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mtkit.translation.result import FlagCounts, Translation


class InputLine(NamedTuple):
    """A line of the input, and the lines of other files that belong to it."""

    text: str
    prefix: str = ""
    """Beginning of its translation; blank for none."""
    constraints: str = ""
    """Its constraints as JSON, see `parse_constraints`; blank for none."""


class OutputLine(NamedTuple):
    """Output for a line of the input."""

    text: str
    """One line, or several separated by LF; no LF at the end."""
    alignment: str | None = None
    """Word alignment in Pharaoh format, for a file of alignments; None if there is no such file."""


class LineChunk(NamedTuple):
    """Consecutive lines of the input, translated together."""

    first_number: int
    """Line number of the first one in the input, from 1."""
    lines: list[InputLine]
    is_first: bool = False
    """Whether the output's header precedes them."""
    journal_path: Path | None = None
    """File in which finished batches are saved."""
    before: tuple[str, ...] = ()
    """Lines of the input before the first one, as many as the model reads as context."""


class ChunkResult(NamedTuple):
    """Output for a chunk."""

    lines: list[OutputLine]
    """One for each line of the chunk."""
    flags: FlagCounts
    header: OutputLine | None = None
    """Header line to write first."""

    @property
    def lines_with_header(self) -> list[OutputLine]:
        """Everything to write for the chunk."""
        return self.lines if self.header is None else [self.header, *self.lines]


LineFunction = Callable[[LineChunk, Callable[[int], None]], ChunkResult]
"""Translates a chunk; called with a callback that is given numbers of finished lines."""


class Record(NamedTuple):
    """A line of the input, parsed."""

    texts: list[str]
    """Texts to translate, one for each field."""
    write: Callable[[Sequence[Translation]], str]
    """Returns the output for the line, given the translations of its texts."""
    document: str = ""
    """Name of its document, which ends where the name changes."""


class RecordReader(Protocol):
    """Parses lines of one format."""

    def read(self, line: str, where: str) -> Record:
        """Parse a line.

        Args:
            line: A line without its line end.
            where: File and line number, for errors.
        Raises:
            MtkitError: The line does not have this format, or lacks a field.
        """
        ...

    def header(self) -> str | None:
        """Return the header line of the output; None if it has none."""
        ...

"""A file of finished batches: an interrupted translation loses only the batches in progress."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from mtkit.io.atomic import convert_os_errors
from mtkit.search.hypothesis import Hypothesis

Found = list[list[Hypothesis]]
"""The hypotheses of each sentence of a batch."""


class BatchJournal:
    """Finished batches of lines that are translated together.

    A batch is identified by its content, see `SearchRequest.key`. A search repeated with the same
    lines forms the same batches and gets the results that are stored here. Incomplete records, such
    as those of a killed process, are ignored.

    Args:
        path: The file; created with the first batch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, list[Any]] = {}
        self._n_lines_noted = 0
        for key, value in _records(path):
            if key == _LINES:
                self._n_lines_noted = max(self._n_lines_noted, value)
            else:
                self._found[key] = value
        self._kept = set(self._found)
        self._n_lines = 0
        self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def get(self, key: str) -> Found | None:
        """Return the result of a batch, or None if it has not been searched."""
        found = self._found.get(key)
        return (
            None
            if found is None
            else [[Hypothesis(*hypothesis) for hypothesis in hypotheses] for hypotheses in found]
        )

    def add(self, key: str, found: Found) -> None:
        """Store the result of a batch, unless it is stored already.

        Raises:
            MtkitError: The file cannot be written.
        """
        if key not in self._kept:
            self._kept.add(key)
            self._write(key, found)

    def count_lines(self, n: int) -> None:
        """Add this many finished lines."""
        self._n_lines += n
        if self._n_lines > self._n_lines_noted:
            self._n_lines_noted = self._n_lines
            self._write(_LINES, self._n_lines)

    def _write(self, key: str, value: Any) -> None:
        record = json.dumps([key, value], separators=(",", ":")).encode()
        with convert_os_errors(self.path):
            if self._stream is None:
                try:
                    self.path.parent.mkdir(exist_ok=True)
                except FileNotFoundError:
                    # Another process has finished the work and removed the directory.
                    return
                self._stream = self.path.open("ab", buffering=0)
            # The leading line feed ends a record that another process did not finish.
            self._stream.write(b"\n%08x %b\n" % (zlib.crc32(record), record))


def lines_in_journal(path: Path) -> int:
    """Return how many lines are finished, by a journal's file."""
    return max((value for key, value in _records(path) if key == _LINES), default=0)


_LINES = "lines"


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        checksum, _, record = line.partition(b" ")
        if record and checksum == b"%08x" % zlib.crc32(record):
            yield json.loads(record)

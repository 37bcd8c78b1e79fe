"""Cleaned pairs on disk: duplicates are known only after all pairs have been read."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from mtkit.corpus.clean.chunk_cleaner import CleanedChunk, DroppedPair
from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.io.atomic import convert_os_errors

_BATCH_SIZE = 5_000
"""Number of pairs in memory."""

_FILE_NAMES = ("src", "tgt", "places", "keys")
"""Texts, one per line; corpus, line number and position of each pair; 16-byte keys."""

_DISK_HINT = "set TMPDIR to a directory with enough space for the corpus"


class CleanedBatch(NamedTuple):
    """Consecutive cleaned pairs."""

    pairs: Iterable[tuple[str, str]]
    """The pairs that are kept."""
    positions: list[int]
    """Their positions in documents, see `CleanedChunk`."""
    dropped: list[DroppedPair]
    """Dropped pairs, as far as they are known."""


class DedupSpill:
    """Pairs in a directory of their own, until duplicates are known.

    Pairs are added in a `with` block and read after it.

    Args:
        directory: An empty directory.
    Raises:
        MtkitError: The disk is full.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._src, self._tgt, self._locations, self._keys = (
            self._stack.enter_context((self.directory / name).open("xb")) for name in _FILE_NAMES
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        with convert_os_errors(self.directory, _DISK_HINT):
            self._stack.close()

    def add(self, cleaned: CleanedChunk) -> None:
        """Append the kept pairs of a chunk."""
        if cleaned.lines:
            with convert_os_errors(self.directory, _DISK_HINT):
                self._src.write(f"{cleaned.src}\n".encode())
                self._tgt.write(f"{cleaned.tgt}\n".encode())
                places = [[cleaned.corpus] * len(cleaned.lines), cleaned.lines, cleaned.positions]
                self._locations.write(np.array(places, np.int64).T.tobytes())
                self._keys.write(cleaned.keys)

    def split_duplicates(self) -> Iterator[CleanedBatch]:
        """Yield the remaining pairs, and the duplicates as dropped pairs, both in order."""
        with convert_os_errors(self.directory, _DISK_HINT):
            is_duplicate = find_duplicates([self.directory / "keys"], self.directory / "duplicates")
        if not len(is_duplicate):
            return
        locations = np.memmap(self.directory / "places", np.int64, "r").reshape(-1, 3)
        with ExitStack() as stack:
            src, tgt = (
                stack.enter_context((self.directory / name).open(encoding="utf-8", newline="\n"))
                for name in ("src", "tgt")
            )
            for first in range(0, len(locations), _BATCH_SIZE):
                rows = slice(first, first + _BATCH_SIZE)
                kept: list[tuple[str, str]] = []
                batch = CleanedBatch(kept, [], [])
                for (corpus, line, position), is_duplicate_pair in zip(
                    locations[rows].tolist(), is_duplicate[rows].tolist(), strict=True
                ):
                    pair = (next(src)[:-1], next(tgt)[:-1])
                    if is_duplicate_pair:
                        batch.dropped.append(DroppedPair(corpus, line, "duplicate", *pair))
                    else:
                        kept.append(pair)
                        batch.positions.append(position)
                yield batch

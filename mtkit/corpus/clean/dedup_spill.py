"""Cleaned pairs on disk: which of them are duplicates is known only when all have been seen."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from mtkit.corpus.clean.chunk_cleaner import CleanedChunk, DroppedPair
from mtkit.corpus.clean.duplicates import find_duplicates
from mtkit.errors import MtkitError

_BATCH_SIZE = 5_000
"""Pairs in memory at a time."""

_FILE_NAMES = ("src", "tgt", "places", "keys")
"""Texts, one in a line; corpus and line number of each pair; 16 bytes for each."""


class DedupSpill:
    """Pairs in a folder of their own, until it is known which of them are duplicates. To be filled in a `with` block, and read after it.

    Args:
        folder: An empty folder.
    Raises:
        MtkitError: There is no room.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._src, self._tgt, self._places, self._keys = (
            self._stack.enter_context((self.folder / name).open("xb")) for name in _FILE_NAMES
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        with _disk_errors_in(self.folder):
            self._stack.close()

    def add(self, cleaned: CleanedChunk) -> None:
        """Put the kept pairs of a chunk behind the others."""
        if cleaned.lines:
            with _disk_errors_in(self.folder):
                self._src.write(f"{cleaned.src}\n".encode())
                self._tgt.write(f"{cleaned.tgt}\n".encode())
                self._places.write(
                    np.array([(cleaned.corpus, line) for line in cleaned.lines], np.int64).tobytes()
                )
                self._keys.write(cleaned.keys)

    def split_duplicates(self) -> Iterator[tuple[list[tuple[str, str]], list[DroppedPair]]]:
        """The pairs that are left and the duplicates, both in order, some at a time."""
        with _disk_errors_in(self.folder):
            is_duplicate = find_duplicates([self.folder / "keys"], self.folder / "duplicates")
        if not len(is_duplicate):
            return
        places = np.memmap(self.folder / "places", np.int64, "r").reshape(-1, 2)
        with ExitStack() as stack:
            src, tgt = (
                stack.enter_context((self.folder / name).open(encoding="utf-8", newline="\n"))
                for name in ("src", "tgt")
            )
            for first in range(0, len(places), _BATCH_SIZE):
                rows = slice(first, first + _BATCH_SIZE)
                kept, repeated = [], []
                for (corpus, line), is_repeat in zip(
                    places[rows].tolist(), is_duplicate[rows].tolist(), strict=True
                ):
                    pair = (next(src)[:-1], next(tgt)[:-1])
                    if is_repeat:
                        repeated.append(DroppedPair(corpus, line, "duplicate", *pair))
                    else:
                        kept.append(pair)
                yield kept, repeated


@contextmanager
def _disk_errors_in(folder: Path) -> Iterator[None]:
    """A full disk becomes an error that says what to do."""
    try:
        yield
    except OSError as exc:
        raise MtkitError(
            f"`{folder}`: cannot be written: {(exc.strerror or str(exc)).lower()}",
            "set TMPDIR to a folder with room for the corpus",
        ) from exc

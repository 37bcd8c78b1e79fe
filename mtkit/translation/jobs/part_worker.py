"""One file translated in parts, by this process and any others that do the same."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.io.progress import ProgressBar
from mtkit.io.text import Utf8Errors
from mtkit.translation.jobs.identity import refuse_changed
from mtkit.translation.jobs.line_reader import LineReader
from mtkit.translation.jobs.part_leases import Claims
from mtkit.translation.jobs.parts_dir import PartsDir
from mtkit.translation.jobs.worker_pool import ChunkResult, LineChunk, WorkerPool

MAX_CHUNK_BYTES = 1 << 22
"""Very long lines are translated fewer at a time."""
POLL_S = 0.5
"""Between two looks at what others have made."""


class _End(NamedTuple):
    """What comes of a chunk."""

    part: int
    is_last: bool
    """Of the part."""


def _advance_beyond(bar: ProgressBar, n_kept: int) -> Callable[[int], None]:
    """Count lines on a bar; the first ones were finished by an earlier run and took no time now."""
    left = n_kept

    def count(n: int) -> None:
        nonlocal left
        n_skipped = min(n, left)
        left -= n_skipped
        bar.skip(n_skipped)
        bar.advance(n - n_skipped)

    return count


class PartWorker:
    """Makes the parts that are missing.

    Args:
        input_path: The file, which can be read more than once.
        identity: Of the file, see `input_identity`.
        work: Where parts are kept.
        crew: Translates.
        chunk_lines: Lines translated together; a part is cut into as many such chunks as it takes.
        has_header: Whether the first line of input is no record, and is not handed to the crew.
        errors: What becomes of invalid UTF-8.
        claims: Of this process, where there are others.
    """

    def __init__(
        self,
        input_path: Path,
        identity: dict[str, Any],
        work: PartsDir,
        crew: WorkerPool,
        chunk_lines: int,
        has_header: bool = False,
        errors: Utf8Errors = "strict",
        claims: Claims | None = None,
    ) -> None:
        self.input_path, self.identity, self.work, self.crew = input_path, identity, work, crew
        self.chunk_lines, self.has_header, self.claims = chunk_lines, has_header, claims
        self.errors: Utf8Errors = errors
        self.n_parts = self.n_lines = 0
        """Known after a pass over the file."""

    def make_parts(self, bar: ProgressBar | None, before: set[int], waits: bool) -> None:
        """Make what is missing and nobody else makes, until all is there.

        Args:
            bar: Counts lines; those of `before` without the time that they took.
            before: Parts that were there at the start.
            waits: Whether to wait for what others make, and to make it if they are gone; False leaves then.
        """
        left = self._pass(bar, before)
        while left and self.claims is not None:
            left = [part for part in left if not self.work.has(part)]
            if any(self.claims.is_free(part) for part in left):
                left = self._pass(None, set())
            elif not waits:
                return
            elif left:
                time.sleep(POLL_S)

    def _pass(self, bar: ProgressBar | None, before: set[int]) -> list[int]:
        """Go through the file once; says which parts others are making."""
        ends: deque[_End] = deque()
        left: list[int] = []
        chunks = self._chunks(ends, left, bar, before)
        on_lines = (
            _advance_beyond(bar, self.work.lines_in_journals())
            if bar is not None
            else lambda n: None
        )
        with closing(chunks), closing(self.crew.translate(chunks, on_lines)) as results:
            for result in results:
                self._write_part(result, results, ends)
        refuse_changed(self.input_path, self.identity)
        return left

    def _write_part(
        self, result: ChunkResult, results: Iterator[ChunkResult], ends: deque[_End]
    ) -> None:
        """Write a part as it comes, so that no more of it is in memory than a chunk."""
        end = ends.popleft()
        with self.work.writing(end.part) as write:
            write(result)
            while not end.is_last:
                write(next(results))
                end = ends.popleft()
            refuse_changed(self.input_path, self.identity)
        if self.claims is not None:
            self.claims.release(end.part)

    def _chunks(
        self, ends: deque[_End], left: list[int], bar: ProgressBar | None, before: set[int]
    ) -> Generator[LineChunk, None, None]:
        """The chunks of the parts that are made here; to `ends` is added what comes of each, to `left` what is made elsewhere."""
        with LineReader(self.input_path, self.errors) as reader:
            n_header = reader.skip(1) if self.has_header else 0
            part = 0
            # A header with nothing below it makes a part too.
            while not reader.is_at_end or (part == 0 and n_header):
                if self.work.has(part) or not self._takes(part):
                    if not self.work.has(part):
                        left.append(part)
                    n_lines = reader.skip(self.work.part_lines)
                    if bar is not None:
                        (bar.skip if part in before else bar.advance)(n_lines)
                else:
                    yield from self._chunks_of_part(part, reader, ends)
                part += 1
            self.n_parts = part
            self.n_lines = reader.n_passed - n_header
            if bar is not None:
                bar.total, bar.is_about = self.n_lines, False

    def _chunks_of_part(
        self, part: int, reader: LineReader, ends: deque[_End]
    ) -> Iterator[LineChunk]:
        n_left = self.work.part_lines
        is_first = part == 0
        while n_left and (is_first or not reader.is_at_end):
            number = reader.n_passed + 1
            lines = reader.take(min(self.chunk_lines, n_left), MAX_CHUNK_BYTES)
            n_left -= len(lines)
            ends.append(_End(part, n_left == 0 or reader.is_at_end))
            yield LineChunk(number, lines, is_first, self.work.journal_path(part, number))
            is_first = False

    def _takes(self, part: int) -> bool:
        if self.claims is None:
            return True
        if not self.claims.take(part):
            return False
        if not self.work.has(part):
            return True
        # Somebody finished it in between.
        self.claims.release(part)
        return False

"""The parts of a file that one rank translates."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple, Self

from mtkit.io.change_guard import FileSnapshot
from mtkit.io.progress import ProgressBar
from mtkit.io.text import sha256_file
from mtkit.translation.jobs.input_reader import InputReader, NumberOfLines
from mtkit.translation.jobs.parts_dir import PartsDir
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.records import ChunkResult, LineChunk
from mtkit.workers.dist_env import DistEnv


class PartsOptions(NamedTuple):
    """How a file is cut into parts and chunks, and by whom they are translated."""

    chunk_lines: int = 4_000
    """Lines translated together."""
    has_header: bool = False
    """Whether the first line of the input names the columns of a table."""
    rank: DistEnv = DistEnv()
    n_lines: NumberOfLines | None = None
    """Number of lines of the input, if it was counted beforehand."""
    lines_per_part: int | None = None
    """None chooses by the size of the file."""
    title: str = "Translating"
    """Title of the progress bar."""
    n_context: int = 0
    """Number of lines before each that the model reads as context."""


class PartRange(NamedTuple):
    """Lines of the input that make a part."""

    part: int
    """Index of the part, from 0."""
    first_number: int
    """Line number of the first of its lines in the input, from 1."""
    n_lines: int


class _ChunkOfPart(NamedTuple):
    """The part to which the result of a chunk belongs."""

    part: int
    is_last: bool
    """Whether it is the last chunk of its part."""


class PartWorker:
    """Translates the missing parts of one rank.

    Args:
        files: An input that can be read more than once, and others.
        snapshot: State of the input files.
        parts: Where the parts are kept.
        pool: Translates the lines.
        options: Sizes of parts and chunks, and the rank.
    """

    def __init__(
        self,
        files: TranslationFiles,
        snapshot: FileSnapshot,
        parts: PartsDir,
        pool: WorkerPool,
        options: PartsOptions,
    ) -> None:
        self.files, self.snapshot = files, snapshot
        self.parts, self.pool, self.options = parts, pool, options
        self.n_parts = self.n_lines = 0
        """Number of parts and lines of the whole file, known when it has been read."""
        self._reader: InputReader | None = None
        self._open_reader = ExitStack()

    @classmethod
    def for_files(
        cls,
        files: TranslationFiles,
        made_from: dict[str, Any],
        pool: WorkerPool,
        options: PartsOptions,
    ) -> Self:
        """Make a worker for an output.

        Args:
            files: An input and an output that are files, and others.
            made_from: Everything that determines the output except the input files.
            pool: Translates the lines.
            options: Sizes of parts and chunks, and the rank.
        Raises:
            MtkitError: An input cannot be read.
        """
        assert files.output_path is not None and options.lines_per_part is not None
        snapshot = FileSnapshot(lambda: [path for _, path in files.inputs()])
        contents = {name: sha256_file(path) for name, path in files.inputs()}
        parts = PartsDir(
            files.output_path,
            {**contents, "utf8_errors": files.utf8_errors, **made_from},
            options.lines_per_part,
            files.alignments_path,
        )
        return cls(files, snapshot, parts, pool, options)

    @property
    def is_shared(self) -> bool:
        """Whether other processes write parts to the same directory."""
        return self.options.rank.world_size > 1

    def make_parts(self, bar: ProgressBar | None, before: set[int]) -> None:
        """Translate the parts of this rank that are missing.

        Args:
            bar: Counts lines; those of other parts take no time.
            before: Parts that are finished already.
        """
        destinations: deque[_ChunkOfPart] = deque()
        chunks = self._chunks(destinations, bar, before)
        on_lines = (
            _advance_beyond(bar, self.parts.lines_in_journals())
            if bar is not None
            else lambda n: None
        )
        with closing(chunks), closing(self.pool.translate(chunks, on_lines)) as results:
            for result in results:
                self._write_part(result, results, destinations)
        self.snapshot.check()

    def make_part(self, part: int, first_number: int) -> PartRange:
        """Translate one part, unless it is finished already.

        Parts may be made in any order. In increasing order, the input is read only once.

        Args:
            part: Index of the part.
            first_number: Line number of the first of its lines, from 1.
        Returns:
            The lines that were read for it.
        """
        reader = self._reader_at(first_number)
        first_number = reader.n_passed + 1
        if self.parts.has(part):
            reader.skip(self.parts.part_lines)
        else:
            destinations: deque[_ChunkOfPart] = deque()
            chunks = self._chunks_of_part(part, reader, destinations)
            with closing(self.pool.translate(chunks, lambda n: None)) as results:
                for result in results:
                    self._write_part(result, results, destinations)
        self.snapshot.check()
        self._reader = reader
        return PartRange(part, first_number, reader.n_passed + 1 - first_number)

    def part_ranges(self) -> list[PartRange]:
        """Read the input, and return the lines of each part."""
        ranges: list[PartRange] = []
        with InputReader(self.files) as reader:
            n_header = reader.skip(1) if self.options.has_header else 0
            # A header without any rows makes a part too.
            while not reader.is_at_end or (not ranges and n_header):
                number = reader.n_passed + 1
                ranges.append(PartRange(len(ranges), number, reader.skip(self.parts.part_lines)))
            self.n_parts, self.n_lines = len(ranges), reader.n_passed - n_header
        return ranges

    def _reader_at(self, first_number: int) -> InputReader:
        """Return the reader of the last part if it has not passed this line, else another one."""
        reader, self._reader = self._reader, None
        if reader is None or reader.n_passed >= first_number:
            self._open_reader.close()
            reader = self._open_reader.enter_context(
                InputReader(self.files, self.options.n_context)
            )
            if self.options.has_header:
                reader.skip_header()
        reader.skip(first_number - 1 - reader.n_passed)
        return reader

    def _write_part(
        self,
        result: ChunkResult,
        results: Iterator[ChunkResult],
        destinations: deque[_ChunkOfPart],
    ) -> None:
        """Write a part as its chunks come, so that only one chunk is in memory."""
        destination = destinations.popleft()
        with self.parts.writing(destination.part) as write:
            write(result)
            while not destination.is_last:
                write(next(results))
                destination = destinations.popleft()
            self.snapshot.check()

    def _chunks(
        self, destinations: deque[_ChunkOfPart], bar: ProgressBar | None, before: set[int]
    ) -> Generator[LineChunk, None, None]:
        """Yield the chunks of the missing parts, and append to `destinations` where each goes."""
        rank = self.options.rank
        with InputReader(self.files, self.options.n_context) as reader:
            n_header = int(self.options.has_header and reader.skip_header() is not None)
            part = 0
            # A header without any rows makes a part too.
            while not reader.is_at_end or (part == 0 and n_header):
                if part % rank.world_size == rank.rank and part not in before:
                    yield from self._chunks_of_part(part, reader, destinations)
                else:
                    n_skipped = reader.skip(self.parts.part_lines)
                    if bar is not None:
                        bar.skip(n_skipped)
                part += 1
            self.n_parts = part
            self.n_lines = reader.n_passed - n_header
            if bar is not None:
                bar.total, bar.is_estimate = self.n_lines, False

    def _chunks_of_part(
        self, part: int, reader: InputReader, destinations: deque[_ChunkOfPart]
    ) -> Iterator[LineChunk]:
        n_left = self.parts.part_lines
        is_first = part == 0
        while n_left and (is_first or not reader.is_at_end):
            number = reader.n_passed + 1
            lines = reader.take(min(self.options.chunk_lines, n_left))
            n_left -= len(lines)
            destinations.append(_ChunkOfPart(part, n_left == 0 or reader.is_at_end))
            journal_path = self.parts.journal_path(part, number)
            yield LineChunk(number, lines, is_first, journal_path, reader.before)
            is_first = False


def _advance_beyond(bar: ProgressBar, n_kept: int) -> Callable[[int], None]:
    """Return a callback that counts lines on a bar.

    The first `n_kept` lines were finished by an earlier run and take no time.
    """
    n_left = n_kept

    def count(n: int) -> None:
        nonlocal n_left
        n_skipped = min(n, n_left)
        n_left -= n_skipped
        bar.skip(n_skipped)
        bar.advance(n - n_skipped)

    return count

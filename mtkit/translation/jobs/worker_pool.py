"""Lines handed to whoever translates them: a function in this process, or one in each of several."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mtkit.translation.lines.flag_counts import FlagCounts
from mtkit.workers.process_pool import ordered_map


class LineFunction(Protocol):
    """Turns lines into what is written for them; `LineTranslator` does."""

    def header(self) -> str | None:
        """What is written before all else, if anything is."""
        ...

    def __call__(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        on_lines: Callable[[int], None] | None = None,
        journal_path: Path | None = None,
    ) -> list[str]:
        """For each line one text, which may hold LFs but does not end in one.

        Args:
            lines: Without their ends.
            first_number: The first one's number in the whole input, from 1.
            on_lines: Called with a number of lines whenever so many more are done.
            journal_path: A file for a `BatchJournal` of these lines.
        """
        ...

    def take_flags(self) -> FlagCounts:
        """Return how many lines were flagged since the last call, by flag, and forget them."""
        ...


class LineChunk(NamedTuple):
    """Some consecutive lines of the input."""

    first_number: int
    """Of the first line, from 1."""
    lines: list[str]
    is_first: bool = False
    """Whether the header goes before them."""
    journal_path: Path | None = None
    """Where their finished batches are kept."""


class ChunkResult(NamedTuple):
    """What comes of a chunk."""

    texts: list[str]
    """Output: for each line one text, which may hold LFs, and the header before them."""
    flags: FlagCounts
    """How many of the lines are flagged, by flag."""


class WorkerPool:
    """Translates chunks, in this process or in several others.

    Args:
        make_function: A module-level function or class of an importable module; called once in each process.
        args: What it is called with, or a function from a process's number, from 0, to that. Must survive pickling.
        n_processes: 0 does the work in this process.
    """

    def __init__(
        self,
        make_function: Callable[..., LineFunction],
        args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]],
        n_processes: int = 0,
    ) -> None:
        self.make_function, self.args, self.n_processes = make_function, args, n_processes
        self._function: LineFunction | None = None

    def translate(
        self, chunks: Iterable[LineChunk], on_lines: Callable[[int], None]
    ) -> Generator[ChunkResult, None, None]:
        """What is written for each chunk, in order. No process starts before there is a chunk.

        Args:
            chunks: Taken as they are needed.
            on_lines: Called with a number of lines whenever so many more are done.
        """
        if self.n_processes < 1:
            yield from (apply(self.function(), chunk, on_lines) for chunk in chunks)
            return
        iterator = iter(chunks)
        first = next(iterator, None)
        if first is None:
            return
        sizes: deque[int] = deque()

        def tasks() -> Iterator[LineChunk]:
            for chunk in chain([first], iterator):
                sizes.append(len(chunk.lines))
                yield chunk

        with closing(
            ordered_map(
                _ChunkWorker,
                lambda number: (self.make_function, self._args(number)),
                tasks(),
                self.n_processes,
            )
        ) as results:
            for result in results:
                on_lines(sizes.popleft())
                yield result

    def load(self) -> None:
        """Make the function now, if this process translates; else it is made when there is a chunk."""
        if self.n_processes < 1:
            self.function()

    def function(self) -> LineFunction:
        """The function in this process; made when it is first asked for."""
        if self._function is None:
            self._function = self.make_function(*self._args(0))
        return self._function

    def _args(self, number: int) -> tuple[Any, ...]:
        return self.args if isinstance(self.args, tuple) else self.args(number)


def apply(
    function: LineFunction, chunk: LineChunk, on_lines: Callable[[int], None] | None = None
) -> ChunkResult:
    """What is written for a chunk."""
    texts = function(chunk.lines, chunk.first_number, on_lines, chunk.journal_path)
    if len(texts) != len(chunk.lines):
        raise ValueError(f"{len(chunk.lines)} lines gave {len(texts)}")
    header = function.header() if chunk.is_first else None
    return ChunkResult(texts if header is None else [header, *texts], function.take_flags())


class _ChunkWorker:
    def __init__(self, make_function: Callable[..., LineFunction], args: tuple[Any, ...]) -> None:
        self.function = make_function(*args)

    def __call__(self, chunk: LineChunk) -> ChunkResult:
        return apply(self.function, chunk)

"""Chunks of lines, translated by a function in this process or in several others."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Any

from mtkit.translation.lines.records import ChunkResult, LineChunk, LineFunction
from mtkit.workers.process_pool import ordered_map


class WorkerPool:
    """Translates chunks, in this process or in several others.

    Args:
        make_function: A module-level function or class of an importable module; called once in
            each process.
        args: Returns the arguments of `make_function`, given the index of a process from 0; these
            must survive pickling.
        n_processes: 0 does the work in this process.
    """

    def __init__(
        self,
        make_function: Callable[..., LineFunction],
        args: Callable[[int], tuple[Any, ...]] = lambda index: (),
        n_processes: int = 0,
    ) -> None:
        self.make_function, self.args, self.n_processes = make_function, args, n_processes
        self._function: LineFunction | None = None

    def load(self) -> None:
        """Make the function now if this process translates, rather than with the first chunk."""
        if self.n_processes < 1 and self._function is None:
            self._function = self.make_function(*self.args(0))

    def translate(
        self, chunks: Iterable[LineChunk], on_lines: Callable[[int], None]
    ) -> Generator[ChunkResult, None, None]:
        """Translate chunks in order. Processes start with the first chunk.

        Args:
            chunks: Taken as they are needed.
            on_lines: Called with a number of lines whenever that many more are finished.
        """
        if self.n_processes < 1:
            for chunk in chunks:
                self.load()
                assert self._function is not None
                yield _checked(self._function(chunk, on_lines), len(chunk.lines))
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
                _PoolWorker,
                lambda index: (self.make_function, self.args(index)),
                tasks(),
                self.n_processes,
            )
        ) as results:
            for result in results:
                n_lines = sizes.popleft()
                on_lines(n_lines)
                yield _checked(result, n_lines)


class _PoolWorker:
    """Function of one process of a pool."""

    def __init__(self, make_function: Callable[..., LineFunction], args: tuple[Any, ...]) -> None:
        self.function = make_function(*args)

    def __call__(self, chunk: LineChunk) -> ChunkResult:
        return self.function(chunk, lambda n: None)


def _checked(result: ChunkResult, n_lines: int) -> ChunkResult:
    """Return a result that has a line of output for each line of its chunk."""
    if len(result.lines) != n_lines:
        raise ValueError(f"{n_lines} lines gave {len(result.lines)}")
    return result

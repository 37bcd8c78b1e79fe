"""Map a function over tasks in worker processes, with the results in the order of the tasks."""

import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import Any, Self, TypeVar

from mtkit.errors import MtkitError
from mtkit.workers.cpu_info import n_cores

T = TypeVar("T")
R = TypeVar("R")

TASKS_AHEAD = 2
"""Tasks sent to a worker ahead of its results: the current one and the next."""

_END = object()


def choose_n_workers(
    tasks: Iterator[T], n_workers: int | None, max_in_process: int
) -> tuple[Iterator[T], int]:
    """Choose the number of processes for `ordered_map`, if it is not given.

    Args:
        tasks: The tasks; the first of them are taken to see how many there are.
        n_workers: Number of processes; None is one per core, or 0 for few tasks.
        max_in_process: Number of tasks that count as few.
    Returns:
        All tasks, and the number of processes.
    """
    if n_workers is not None:
        return tasks, n_workers
    first = list(islice(tasks, max_in_process + 1))
    return chain(first, tasks), n_cores() if len(first) > max_in_process else 0


def ordered_map(
    make_worker: Callable[..., Callable[[T], R]],
    args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]],
    tasks: Iterable[T],
    n_workers: int,
) -> Generator[R, None, None]:
    """Process tasks in worker processes and yield the results in the order of the tasks.

    A task is taken from the iterable when a worker needs one, so memory stays bounded. The
    processes start when the first result is requested, and end with the generator. A worker whose
    parent has ended, even if it was killed, ends by itself.

    Args:
        make_worker: A module-level function or class; called once in each process with `args`, it
            returns the function that processes a task.
        args: Arguments of `make_worker`, or a function that returns them for the number of a
            process, from 0. They are pickled, as are tasks and results.
        tasks: The tasks.
        n_workers: Number of processes; 0 processes the tasks in this process.
    Raises:
        MtkitError: A worker died, for example because it ran out of memory.
        Exception: Raised by a worker.
    """
    if n_workers < 1:
        worker = make_worker(*_args_of(args, 0))
        yield from map(worker, tasks)
        return
    with _worker_processes(make_worker, args, n_workers) as workers:
        yield from _round_robin(workers, iter(tasks))


def _args_of(
    args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]], number: int
) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else args(number)


def _round_robin(workers: "list[WorkerProcess]", tasks: Iterator[Any]) -> Iterator[Any]:
    """Send task N to worker N modulo their number, and receive the results in the same order."""
    pending: deque[WorkerProcess] = deque()
    for number, task in enumerate(tasks):
        if len(pending) == TASKS_AHEAD * len(workers):
            yield pending.popleft().result()
        worker = workers[number % len(workers)]
        worker.send(task)
        pending.append(worker)
    while pending:
        yield pending.popleft().result()


class WorkerProcess:
    """A process that applies a function to one task at a time.

    Args:
        process: The process.
        connection: Our end of the pipe to it.
    """

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process, self.connection = process, connection

    @classmethod
    def start(cls, make_worker: Callable[..., Callable[[Any], Any]], args: tuple[Any, ...]) -> Self:
        """Start a process.

        Args:
            make_worker: See `ordered_map`.
            args: Arguments of `make_worker`.
        """
        # Spawned processes: a fork of a process with threads, such as those of torch, may hang.
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, make_worker, args), daemon=True)
        with _no_main_module(), _blocked_signals():
            process.start()
        theirs.close()
        return cls(process, ours)

    def send(self, task: Any) -> None:
        """Send a task.

        Raises:
            WorkerDiedError: The process has ended.
            Exception: Raised by `make_worker`.
        """
        try:
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            # It may have sent an exception before it ended.
            self.result()
            raise self._death() from None

    def result(self) -> Any:
        """Wait for the result of the oldest task.

        Raises:
            WorkerDiedError: The process has ended.
            Exception: Raised by the function.
        """
        try:
            is_result, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if not is_result:
            raise value
        return value

    def _death(self) -> "WorkerDiedError":
        self.process.join(timeout=5)
        return WorkerDiedError(
            f"a worker process ended with status {self.process.exitcode}",
            "it may have run out of memory; use fewer workers",
        )

    def stop(self) -> None:
        """End the process; a task that takes more than a second is given up."""
        self.connection.close()  # the worker then ends
        self.process.join(timeout=1)
        if self.process.is_alive():
            self.process.kill()  # it ignores SIGTERM, and has nothing to clean up
            self.process.join()


class WorkerDiedError(MtkitError):
    """The end of a worker process that should not have ended."""


@contextmanager
def _worker_processes(
    make_worker: Callable[..., Any],
    args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]],
    n_workers: int,
) -> Iterator[list[WorkerProcess]]:
    workers: list[WorkerProcess] = []
    try:
        for number in range(n_workers):
            workers.append(WorkerProcess.start(make_worker, _args_of(args, number)))  # noqa: PERF401
        yield workers
    finally:
        for worker in workers:
            worker.connection.close()  # all of them end at the same time
        for worker in workers:
            worker.stop()


_PARENT_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
"""Signals that a terminal or scheduler sends to the process group; the parent handles them."""


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block these signals in a process that is started here, until it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a new process from importing the user's script.

    A script without `if __name__ == "__main__"` would run again from the start.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(
    connection: Connection, make_worker: Callable[..., Callable[[Any], Any]], args: tuple[Any, ...]
) -> None:
    """Process tasks until the parent closes the connection."""
    for number in _PARENT_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PARENT_SIGNALS)
    tasks: SimpleQueue[Any] = SimpleQueue()
    # A thread of its own receives them: otherwise parent and worker could wait for each other.
    Thread(target=_receive_tasks, args=(connection, tasks), daemon=True).start()
    try:
        worker = make_worker(*args)
    except Exception as exc:
        connection.send((False, exc))
        return
    while (task := tasks.get()) is not _END:
        try:
            answer = (True, worker(task))
        except Exception as exc:
            answer = (False, exc)
        try:
            connection.send(answer)
        except OSError:  # the parent has ended
            return


def _receive_tasks(connection: Connection, tasks: "SimpleQueue[Any]") -> None:
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(_END)

"""Work shared among processes, with the results in the order of the tasks."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import Any, TypeVar

from mtkit.errors import MtkitError

T = TypeVar("T")
R = TypeVar("R")

TASKS_AHEAD = 2
"""Tasks that wait at a worker: one in work, one to go on with."""

_END = object()


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(
    make_worker: Callable[..., Callable[[T], R]],
    args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]],
    tasks: Iterable[T],
    n_workers: int,
) -> Generator[R, None, None]:
    """Hand tasks to worker processes and yield the results in the order of the tasks, whichever worker was faster.

    Tasks are taken from the iterable as workers come free, so that memory stays bounded. The processes start with the first result asked for
    and end with the generator. A worker whose parent is gone, even killed, ends by itself.

    Args:
        make_worker: A module-level function or class of an importable module; called once in each process with `args`, gives the function that
            does a task.
        args: Must survive pickling, as tasks and results must. Or a function from a process's number, from 0, to its args.
        tasks: What to do.
        n_workers: Processes; 0 does the work here, without any.
    Raises:
        MtkitError: A worker died, for example killed for want of memory. What a worker raises is raised here.
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


def _round_robin(workers: "list[_WorkerProcess]", tasks: Iterator[Any]) -> Iterator[Any]:
    """Tasks go round the workers in turn, so the turn of a result is known too."""
    asked: deque[_WorkerProcess] = deque()
    for turn, task in enumerate(tasks):
        if len(asked) == TASKS_AHEAD * len(workers):
            yield asked.popleft().result()
        worker = workers[turn % len(workers)]
        worker.send(task)
        asked.append(worker)
    while asked:
        yield asked.popleft().result()


class _WorkerProcess:
    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process, self.connection = process, connection

    def send(self, task: Any) -> None:
        try:
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            # It may have said why before it went.
            self.result()
            raise self._death() from None

    def result(self) -> Any:
        try:
            is_good, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if not is_good:
            raise value
        return value

    def _death(self) -> MtkitError:
        self.process.join(timeout=5)
        return MtkitError(
            f"a worker process ended with status {self.process.exitcode}",
            "it may have run out of memory; try fewer of them",
        )


@contextmanager
def _worker_processes(
    make_worker: Callable[..., Any],
    args: tuple[Any, ...] | Callable[[int], tuple[Any, ...]],
    n_workers: int,
) -> Iterator[list[_WorkerProcess]]:
    # Fresh processes: a fork of one with threads, as torch's is, may hang.
    context = get_context("spawn")
    workers: list[_WorkerProcess] = []
    try:
        for number in range(n_workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, make_worker, _args_of(args, number)), daemon=True
            )
            with _no_main_module(), _blocked_signals():
                process.start()
            theirs.close()
            workers.append(_WorkerProcess(process, ours))
        yield workers
    finally:
        for worker in workers:
            worker.connection.close()  # which tells it to end
        for worker in workers:
            worker.process.join(timeout=1)
            if worker.process.is_alive():
                worker.process.kill()  # which is deaf to SIGTERM, and has nothing to put in order
                worker.process.join()


_PARENT_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
"""They may reach the whole group, from a terminal or a scheduler; the parent decides what they mean."""


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """A process that is started in here holds these signals back, until it has said that it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unblock(numbers: list[int]) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a new process from importing the user's script again, which would start everything anew where it has no `if __name__ == "__main__"`."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(
    connection: Connection, make_worker: Callable[..., Callable[[Any], Any]], args: tuple[Any, ...]
) -> None:
    """Do tasks until nobody asks any more."""
    for number in _PARENT_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _unblock(_PARENT_SIGNALS)
    tasks: SimpleQueue[Any] = SimpleQueue()
    # Taken in by a thread of its own: else parent and worker could each wait for the other to read.
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
        except OSError:  # nobody listens any more
            return


def _receive_tasks(connection: Connection, tasks: "SimpleQueue[Any]") -> None:
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(_END)

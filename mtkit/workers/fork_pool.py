"""Copies of this process that search, so that each core has a Python of its own.

Threads of one process wait for each other at every one of a step's hundred small operations, since only one of them runs Python at a time; with int8
two processes are a tenth faster than two threads. A fork shares the weights with the process that it is a copy of, and is there at once.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import torch

from mtkit.engines.cpu.allocator import use_huge_pages
from mtkit.errors import MtkitError

Result = TypeVar("Result")


def can_fork() -> bool:
    """Whether this process can be copied: elsewhere than on Linux the system's own libraries may not bear it, and a helper may not have helpers."""
    return sys.platform == "linux" and not current_process().daemon


class Forks(Generic[Result]):
    """Forks that each call one function, one call at a time, with one thread. They end with the process that made them.

    Args:
        function: Its arguments and its result travel between the processes.
        n_forks: How many.
    """

    def __init__(self, function: Callable[..., Result], n_forks: int) -> None:
        context = get_context("fork")
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        ours: list[Connection] = []
        for _ in range(n_forks):
            own, theirs = context.Pipe()
            ours.append(own)
            process = context.Process(
                target=_serve, args=(theirs, list(ours), function), daemon=True
            )
            with warnings.catch_warnings():
                # Python warns where a process has threads, which a lock may belong to. A fork here takes no lock of theirs.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            self._idle.put(own)

    def __call__(self, *args: Any) -> Result:
        """Let a fork call the function; waits for one that is idle. May be called by several threads at a time.

        Raises:
            Exception: What the function raised.
            MtkitError: The fork was ended from outside.
        """
        connection = self._idle.get()
        try:
            connection.send(args)
            is_result, answer = connection.recv()
        except (EOFError, OSError):
            hint = "memory may be short: lower --max-tokens, or give fewer --workers"
            raise MtkitError("a process that translated was ended from outside", hint) from None
        finally:
            self._idle.put(connection)
        if is_result:
            return answer
        raise answer


def _serve(connection: Connection, others: list[Connection], function: Callable[..., Any]) -> None:
    # Ctrl-C goes to all processes of a terminal; the one that made this one tells what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Held open here, they would keep the other forks from seeing that nobody asks them any more.
    for other in others:
        other.close()
    torch.set_num_threads(1)
    use_huge_pages()
    try:
        while True:
            args = connection.recv()
            try:
                answer = (True, function(*args))
            except Exception as exc:
                answer = (False, exc)
            connection.send(answer)
    except (EOFError, OSError):
        os._exit(0)

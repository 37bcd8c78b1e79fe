"""Pool of forked processes, so that each core has a Python interpreter of its own.

The threads of one process wait for each other at each of the hundred small operations of a decoding
step, since only one of them runs Python at a time: with int8, two processes are a tenth faster than
two threads. A fork shares the weights with its parent, and starts at once.
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

from mtkit.errors import MtkitError

Result = TypeVar("Result")


def can_fork() -> bool:
    """Whether this process can be forked.

    Only on Linux, since libraries of other systems may not survive a fork, and not in a daemonic
    process, which must not have children.
    """
    return sys.platform == "linux" and not current_process().daemon


class ForkPool(Generic[Result]):
    """Forks that call one function, each one call at a time; they end with their parent.

    Args:
        function: Called in the forks; its arguments and its result are pickled.
        n_forks: Number of forks.
        initialize: Called once in each fork before its first call, for example to set its number of
            threads.
    """

    def __init__(
        self, function: Callable[..., Result], n_forks: int, initialize: Callable[[], None]
    ) -> None:
        context = get_context("fork")
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        connections: list[Connection] = []
        for _ in range(n_forks):
            ours, theirs = context.Pipe()
            connections.append(ours)
            process = context.Process(
                target=_serve, args=(theirs, list(connections), function, initialize), daemon=True
            )
            with warnings.catch_warnings():
                # Python warns because a thread may hold a lock; a fork takes none of their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            self._idle.put(ours)

    def __call__(self, *args: Any) -> Result:
        """Call the function in a fork, waiting for an idle one; several threads may call at a time.

        Raises:
            Exception: Raised by the function.
            MtkitError: The fork was killed.
        """
        connection = self._idle.get()
        try:
            connection.send(args)
            is_result, answer = connection.recv()
        except (EOFError, OSError):
            hint = "memory may be short: lower --batch-tokens or --workers"
            raise MtkitError("a translation process was killed", hint) from None
        finally:
            self._idle.put(connection)
        if is_result:
            return answer
        raise answer


def _serve(
    connection: Connection,
    other_connections: list[Connection],
    function: Callable[..., Any],
    initialize: Callable[[], None],
) -> None:
    # Ctrl-C reaches all processes of a terminal; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # As long as one process keeps them open, the other forks do not detect the parent's end.
    for other in other_connections:
        other.close()
    initialize()
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

"""Starts the processes of a training on this machine, hands signals on to them, and says in one line why they ended."""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, PContext, start_processes

from mtkit.errors import MtkitError
from mtkit.training.distributed.rank_errors import LAUNCHED_VARIABLE, REPORTING_RANK_KEY
from mtkit.workers.dist_env import DistEnv
from mtkit.workers.process_pool import n_cores

_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_PR_SET_PDEATHSIG = 1


class ProcessKilled(MtkitError):
    """A process was ended from outside."""


def run_processes(n: int, arguments: Sequence[str]) -> int:
    """Run `mtkit` in several processes that train together, until they end.

    Args:
        n: How many.
        arguments: Of the command line.
    Returns:
        Exit status: that of the process which said why, 0 if all is well.
    Raises:
        MtkitError: A process ended without a word, for example killed for want of memory.
    """
    # It would tell at length what is told here in a line.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    threads = (
        {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, n_cores() // n))}
    )
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        LAUNCHED_VARIABLE: "1",
        **threads,
    }
    envs = {rank: common | DistEnv(rank, n, rank, n).variables() for rank in range(n)}
    command = dict.fromkeys(range(n), ("-m", "mtkit", *arguments))
    context = start_processes(
        "mtkit", sys.executable, command, envs, DefaultLogsSpecs(log_dir=os.devnull)
    )
    with _forwarding_signals(context) as received:
        # As soon as one fails, this ends the others: after 30 seconds by force.
        while (result := context.wait(timeout=0)) is None:
            time.sleep(0.1)
    failures = result.failures
    if not failures:
        return 0
    if store.check([REPORTING_RANK_KEY]):
        speaker = failures.get(int(store.get(REPORTING_RANK_KEY)))
        return 1 if speaker is None else _exit_status(speaker.exitcode)
    if received:
        raise KeyboardInterrupt
    # Those that ended because another did have an exit status, not a signal.
    first = min(failures.values(), key=lambda failure: (failure.exitcode > 0, failure.timestamp))
    why = (
        f"was killed by {signal.Signals(-first.exitcode).name}"
        if first.exitcode < 0
        else f"ended with status {first.exitcode}"
    )
    raise ProcessKilled(
        f"process {first.local_rank} of {n} {why}",
        "the same command goes on from the last checkpoint; where memory was short, with a smaller batches.max_tokens",
    )


def end_with_parent() -> None:
    """Let the system send SIGTERM when whoever started this process is gone, even killed: training saves and ends, and nobody trains unseen."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _forwarding_signals(context: PContext) -> Iterator[list[int]]:
    """Hand signals on to the processes; gives those that came."""
    received: list[int] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for pid in context.pids().values():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    for number in _HANDED_ON:
        signal.signal(number, hand_on)
    yield received


def _exit_status(exitcode: int) -> int:
    return 128 - exitcode if exitcode < 0 else exitcode

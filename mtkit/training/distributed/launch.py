"""Launches the training processes of this machine, and watches them."""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, PContext, start_processes

from mtkit.errors import MtkitError
from mtkit.training.distributed.rank_errors import LAUNCHED_VARIABLE, REPORTING_RANK_KEY
from mtkit.workers.cpu_info import n_cores
from mtkit.workers.dist_env import DistEnv

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_PR_SET_PDEATHSIG = 1


class ProcessKilled(MtkitError):
    """A process was killed, or ended without reporting an error."""


def run_processes(n: int, arguments: Sequence[str]) -> int:
    """Run `mtkit` in several processes that train together, until they end.

    Args:
        n: Number of processes.
        arguments: Arguments of the command line.
    Returns:
        Exit status of the process that reported an error; 0 if there was none.
    Raises:
        MtkitError: A process ended without a report, for example because it ran out of memory.
    """
    # Its long messages are replaced by the one line below.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        LAUNCHED_VARIABLE: "1",
    }
    if "OMP_NUM_THREADS" not in os.environ:
        common["OMP_NUM_THREADS"] = str(max(1, n_cores() // n))
    envs = {rank: common | DistEnv(rank, n, rank, n).variables() for rank in range(n)}
    command = dict.fromkeys(range(n), ("-m", "mtkit", *arguments))
    context = start_processes(
        "mtkit", sys.executable, command, envs, DefaultLogsSpecs(log_dir=os.devnull)
    )
    received = _forward_signals(context)
    # When one process fails, this ends the others: after 30 seconds by force.
    while (result := context.wait(timeout=0)) is None:
        time.sleep(0.1)
    failures = result.failures
    if not failures:
        return 0
    if store.check([REPORTING_RANK_KEY]):
        failure = failures.get(int(store.get(REPORTING_RANK_KEY)))
        return 1 if failure is None else _exit_status(failure.exitcode)
    if received:
        raise KeyboardInterrupt
    # Processes that ended because of another one have an exit status rather than a signal.
    first = min(failures.values(), key=lambda failure: (failure.exitcode > 0, failure.timestamp))
    if first.exitcode < 0:
        cause = f"was killed by {signal.Signals(-first.exitcode).name}"
    else:
        cause = f"ended with status {first.exitcode}"
    raise ProcessKilled(
        f"process {first.local_rank} of {n} {cause}",
        "the same command resumes from the last checkpoint; if memory was exhausted, lower"
        " batches.max_tokens",
    )


def end_with_parent() -> None:
    """Request SIGTERM for when the parent process ends, even if it is killed.

    Training then saves and ends, instead of continuing unnoticed. Linux only.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _forward_signals(context: PContext) -> list[int]:
    """Forward signals to the processes from now on; return the list of those received."""
    received: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for pid in context.pids().values():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    for number in _FORWARDED:
        signal.signal(number, forward)
    return received


def _exit_status(exitcode: int) -> int:
    return 128 - exitcode if exitcode < 0 else exitcode

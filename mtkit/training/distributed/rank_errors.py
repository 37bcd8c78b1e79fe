"""Errors of several processes: one of them reports. Loads torch only after an error."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from mtkit.errors import MtkitError
from mtkit.workers.dist_env import DistEnv

LAUNCHED_VARIABLE = "MTKIT_LAUNCHED"
"""Environment variable of the processes that `mtkit train --nproc` watches."""
REPORTING_RANK_KEY = "mtkit/reporting_rank"
"""Key in the distributed store for the rank of the process that reports the error."""


class PeerLost(MtkitError):
    """Another process of the training ended, or is unreachable."""

    def __init__(self, rank: int) -> None:
        super().__init__(
            f"process {rank} lost the connection to another one, which may have ended",
            "the same command resumes from the last checkpoint",
        )


@contextmanager
def report_from_one_rank() -> Iterator[None]:
    """Let one of several processes report an exception; the others exit silently.

    Raises:
        PeerLost: Instead of torch's errors if another process has ended.
        SystemExit: Another process reports.
    """
    env = DistEnv.from_environment()
    if env.world_size == 1:
        yield
        return
    try:
        yield
    except (Exception, KeyboardInterrupt) as exc:
        _ignore_signals()
        is_lost = _is_lost_peer(exc)
        if _is_first_to_report(env.rank, is_lost=is_lost):
            if is_lost and not isinstance(exc, PeerLost):
                raise PeerLost(env.rank) from exc
            raise
        raise SystemExit(_exit_status(exc)) from None


def _is_lost_peer(exc: BaseException) -> bool:
    if not isinstance(exc, RuntimeError):
        return isinstance(exc, PeerLost)
    from torch.distributed import DistError

    return isinstance(exc, DistError) or any(name in str(exc) for name in ("gloo", "NCCL"))


def _is_first_to_report(rank: int, *, is_lost: bool) -> bool:
    """Whether no other process has reported yet; this one is recorded as reporting then."""
    if is_lost and LAUNCHED_VARIABLE in os.environ:
        # The launcher knows more: which process ended, and how.
        return False
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    # torchrun restarts processes with the same store.
    key = REPORTING_RANK_KEY + os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=10),
        )
        return store.compare_set(key, "", str(rank)) == str(rank).encode()
    except (KeyError, RuntimeError):  # no other process is reachable
        return True


def _exit_status(exc: BaseException) -> int:
    if isinstance(exc, KeyboardInterrupt):
        return 128 + getattr(exc, "signal_number", signal.SIGINT)
    return exc.exit_status if isinstance(exc, MtkitError) else 1


def _ignore_signals() -> None:
    """Ignore the signals that a launcher sends to the other processes when one ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.SIG_IGN)

"""Of several processes that end because of the same thing, one says why. Loads torch only when something goes wrong."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from mtkit.errors import MtkitError
from mtkit.workers.dist_env import DistEnv

LAUNCHED_VARIABLE = "MTKIT_LAUNCHED"
"""Set in the environment of processes that `mtkit train --nproc` watches."""
REPORTING_RANK_KEY = "mtkit/speaker"
"""Where the number of the process that speaks is noted, in the store that all can reach."""


class PeerLost(MtkitError):
    """Another process of the same training went away, or cannot be reached any more."""

    def __init__(self, rank: int) -> None:
        super().__init__(
            f"process {rank} has lost the connection to another, which may have ended",
            "the same command goes on from the last checkpoint",
        )


@contextmanager
def report_from_one_rank() -> Iterator[None]:
    """A context for a process that may be one of several; of an exception that leaves it, one of them tells, and the others end without a word.

    Raises:
        PeerLost: In place of what torch raises when another process is gone.
        SystemExit: Another process tells.
    """
    env = DistEnv.from_environment()
    if env.world_size < 2:
        yield
        return
    try:
        yield
    except (Exception, KeyboardInterrupt) as exc:
        _ignore_signals()
        is_lost = _is_lost_peer(exc)
        if _is_first_to_report(env.rank, is_lost):
            if is_lost and not isinstance(exc, PeerLost):
                raise PeerLost(env.rank) from exc
            raise
        raise SystemExit(_exit_status(exc)) from None


def _is_lost_peer(exc: BaseException) -> bool:
    if not isinstance(exc, RuntimeError):
        return isinstance(exc, PeerLost)
    from torch.distributed import DistError

    return isinstance(exc, DistError) or any(name in str(exc) for name in ("gloo", "NCCL"))


def _is_first_to_report(rank: int, is_lost: bool) -> bool:
    """Whether no other process has said yet why training ends; then this one does."""
    if is_lost and LAUNCHED_VARIABLE in os.environ:
        # Who watches over all knows more: which of them ended, and how.
        return False
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    # torchrun starts new processes with the same store.
    key = REPORTING_RANK_KEY + os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=10),
        )
        return store.compare_set(key, "", str(rank)) == str(rank).encode()
    except (KeyError, RuntimeError):  # nobody is to be reached, who could speak
        return True


def _exit_status(exc: BaseException) -> int:
    if isinstance(exc, KeyboardInterrupt):
        return 128 + getattr(exc, "signal_number", signal.SIGINT)
    return exc.exit_status if isinstance(exc, MtkitError) else 1


def _ignore_signals() -> None:
    """A launcher that sees one process go sends signals to the others, which are on their way out."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.SIG_IGN)

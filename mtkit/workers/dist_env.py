"""Environment variables of distributed runs, as torchrun sets them."""

import os
from typing import NamedTuple, Self

from mtkit.errors import MtkitError


class DistEnv(NamedTuple):
    """Rank of this process among the processes that share the work, on one host or several."""

    rank: int = 0
    """Number of this process, from 0; rank 0 merges the results of all."""
    world_size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of this process on its host, from 0; also the number of its GPU."""
    local_world_size: int = 1
    """Number of processes on this host."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE.

        Without WORLD_SIZE, or with a WORLD_SIZE of 1, the process is the only one.

        Raises:
            MtkitError: The variables are invalid or contradict each other.
        """
        world_size = _variable("WORLD_SIZE", 1)
        if world_size <= 1:
            return cls()
        if "RANK" not in os.environ:
            raise MtkitError(
                "WORLD_SIZE is set in the environment, but not RANK",
                "set both, as torchrun does, or neither",
            )
        rank = _variable("RANK", 0)
        if not 0 <= rank < world_size:
            raise MtkitError(
                f"RANK {rank} of WORLD_SIZE {world_size}",
                "ranks are counted from 0 to WORLD_SIZE - 1",
            )
        return cls(rank, world_size, _variable("LOCAL_RANK", 0), _variable("LOCAL_WORLD_SIZE", 1))

    def variables(self) -> dict[str, str]:
        """Return the environment variables of such a process."""
        return {name.upper(): str(value) for name, value in self._asdict().items()}


def _variable(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdecimal():
        raise MtkitError(
            f"{name} is `{text}` in the environment",
            "it must be a whole number, as torchrun sets it",
        )
    return int(text) if text else default

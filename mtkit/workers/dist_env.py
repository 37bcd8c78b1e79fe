"""Which of several processes this one is, as torchrun tells in the environment."""

import os
from typing import NamedTuple, Self

from mtkit.errors import MtkitError


class DistEnv(NamedTuple):
    """One of the processes that share the work, on one host or several."""

    rank: int = 0
    """From 0; this one joins what all have made."""
    world_size: int = 1
    local_rank: int = 0
    """Among those on this host; which GPU it takes."""
    local_world_size: int = 1

    @classmethod
    def from_environment(cls) -> Self:
        """RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE; alone where there is no WORLD_SIZE.

        Raises:
            MtkitError: They contradict each other.
        """
        n_ranks = _variable("WORLD_SIZE", 1)
        if n_ranks == 1:
            return cls()
        if "RANK" not in os.environ:
            raise MtkitError(
                "WORLD_SIZE is set in the environment, but not RANK",
                "set both, as torchrun does, or neither",
            )
        number = _variable("RANK", 0)
        rank = cls(number, n_ranks, _variable("LOCAL_RANK", 0), _variable("LOCAL_WORLD_SIZE", 1))
        if not 0 <= number < n_ranks:
            raise MtkitError(
                f"RANK {number} of WORLD_SIZE {n_ranks}",
                "ranks are counted from 0 to WORLD_SIZE - 1",
            )
        return rank


def _variable(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdecimal():
        raise MtkitError(
            f"{name} is `{text}` in the environment",
            "it must be a whole number, as torchrun sets it",
        )
    return int(text) if text else default

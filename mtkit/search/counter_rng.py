"""Random numbers by counter: each is a function of its names alone, so that nobody has to draw them in an order."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class UniformStreams:
    """One stream of numbers from 0 to below 1 for each sample of each source.

    Args:
        seed: Another seed gives other numbers.
        names: For each stream the number of the sample, and the ids of the source.
    """

    def __init__(self, seed: int, names: Sequence[tuple[int, Sequence[int]]]) -> None:
        self.keys = np.array([_key(seed, number, ids) for number, ids in names], dtype=np.uint64)

    def at(self, rows: Sequence[int], step: int) -> Tensor:
        """The numbers of these streams at a step, in float64 on the CPU. Shape (rows,)."""
        # SplitMix64 (Steele et al. 2014) jumps to any place of a stream.
        with np.errstate(over="ignore"):
            z = self.keys[np.asarray(rows)] + np.uint64(step) * _GOLDEN
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return torch.from_numpy(((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)


def _key(seed: int, number: int, ids: Sequence[int]) -> int:
    name = " ".join(map(str, (seed, number, *ids)))
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")

"""Counter-based random numbers.

Each value depends only on (seed, stream, step), so the order of draws does not matter.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class UniformStreams:
    """Streams of uniform numbers in [0, 1), one for each sample of each source.

    Args:
        seed: Seed of all streams.
        names: For each stream, the number of the sample and the token ids of the source.
    """

    def __init__(self, seed: int, names: Sequence[tuple[int, Sequence[int]]]) -> None:
        self.keys = np.array([_key(seed, number, ids) for number, ids in names], dtype=np.uint64)

    def at(self, streams: Sequence[int], step: int) -> Tensor:
        """Return the numbers of some streams at a step, in float64 on the CPU. Shape (B,).

        Args:
            streams: Indices of the streams.
            step: Index of the number in each stream.
        """
        # SplitMix64 (Steele et al. 2014) computes any element of a stream directly.
        with np.errstate(over="ignore"):
            z = self.keys[np.asarray(streams)] + np.uint64(step) * _GOLDEN
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return torch.from_numpy(((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)


def _key(seed: int, number: int, ids: Sequence[int]) -> int:
    name = " ".join(map(str, (seed, number, *ids)))
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")

"""Random state derived from the seed, so that a resumed run draws the same random numbers."""

import hashlib

import torch


def seed_everything(*parts: int | str) -> None:
    """Seed torch on all devices from a few values, such as (seed, step, micro step)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    seed = int.from_bytes(digest, "big") >> 1
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        # For devices that are not there, manual_seed formats the call stack: 0.3 to 0.7 ms.
        torch.default_generator.manual_seed(seed)

"""Random states that are derived, not stored: a resumed run draws what an undisturbed one would have drawn."""

import hashlib

import torch


def seed_everything(*parts: int | str) -> None:
    """Seed torch's generators, of all devices, from a few values such as (seed, step, micro step)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest, "big") >> 1)

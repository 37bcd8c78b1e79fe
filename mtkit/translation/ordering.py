"""Which sentences are translated together: those of one length, padding counted."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

_FEW = 16
"""Batches smaller than this are not made for the sake of more workers."""


def length_batches(lengths: Sequence[int], max_tokens: int, n_workers: int = 1) -> list[list[int]]:
    """Cut into batches of one length each and at most `max_tokens` positions, the longest first; those of one length are about equally large.

    Args:
        lengths: Positions of each sentence, as it will be padded.
        max_tokens: A sentence longer than this makes a batch of its own.
        n_workers: How many batches are worked on at a time; of each length there are so many, or a multiple, unless they would be small.
    Returns:
        Indices into `lengths`, each once.
    """
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for i, length in enumerate(lengths):
        by_length[length].append(i)
    batches: list[list[int]] = []
    for length, rows in sorted(by_length.items(), reverse=True):
        n_batches = -(-len(rows) // max(max_tokens // length, 1))
        n_shared = -(-n_batches // n_workers) * n_workers
        if len(rows) >= _FEW * n_shared:
            n_batches = n_shared
        bounds = [len(rows) * k // n_batches for k in range(n_batches + 1)]
        batches += [rows[start:end] for start, end in pairwise(bounds)]
    return batches

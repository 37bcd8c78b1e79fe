"""Which sentences are translated together: those of one length, padding counted, or of similar ones; on a GPU, as many as there is room for."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

_FEW = 16
"""Batches smaller than this are not made for the sake of more workers."""


def pair_batches(lengths: Sequence[tuple[int, int]], max_tokens: int) -> list[list[int]]:
    """Cut pairs into batches with sources of one length and targets of one length each, the longest first.

    Args:
        lengths: Positions of each source and its target, as they will be padded.
        max_tokens: Most positions of the longer side in a batch; a pair longer than this makes a batch of its own.
    Returns:
        Indices into `lengths`, each once.
    """
    by_lengths: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for i, pair in enumerate(lengths):
        by_lengths[pair].append(i)
    batches: list[list[int]] = []
    for pair, rows in sorted(by_lengths.items(), key=lambda one: max(one[0]), reverse=True):
        n_rows = max(max_tokens // max(pair), 1)
        batches += [rows[start : start + n_rows] for start in range(0, len(rows), n_rows)]
    return batches


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


def full_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Cut into as few batches of at most `max_tokens` positions as can be, padding to the longest counted; the longest first.

    Args:
        lengths: As in `length_batches`.
        max_tokens: As in `length_batches`.
    Returns:
        Indices into `lengths`, each once.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # The first of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def mixed_batches(lengths: Sequence[int], max_tokens: int, n_workers: int = 1) -> list[list[int]]:
    """Cut into batches of similar lengths and about `max_tokens` positions at most, the longest first; they are about equally large.

    Args:
        lengths: Positions of each sentence.
        max_tokens: A sentence longer than this makes a batch of its own.
        n_workers: How many batches are worked on at a time; there are so many, or a multiple, unless they would be small.
    Returns:
        Indices into `lengths`, each once.
    """
    order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
    total = sum(lengths)
    n_batches = -(-total // max_tokens)
    n_shared = -(-n_batches // n_workers) * n_workers
    if len(order) >= _FEW * n_shared:
        n_batches = n_shared
    batches: defaultdict[int, list[int]] = defaultdict(list)
    end = 0
    for i in order:
        end += lengths[i]
        batches[(2 * end - lengths[i]) * n_batches // (2 * total)].append(i)
    return list(batches.values())

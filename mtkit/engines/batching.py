"""Grouping of sentences into batches.

On a CPU a batch has sentences of one padded length or of similar lengths; on a GPU as many as fit.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

_MIN_ROWS = 16
"""Batches are not made smaller than this to keep more workers busy."""


def pair_batches(lengths: Sequence[tuple[int, int]], max_tokens: int) -> list[list[int]]:
    """Group pairs whose sources have one length and whose targets have one length, longest first.

    Args:
        lengths: Padded length of each source and its target.
        max_tokens: Maximum positions of the longer side in a batch; a longer pair is a batch of its
            own.
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
    """Group sentences of one length, longest first; a length's batches are about equally large.

    Args:
        lengths: Padded length of each sentence.
        max_tokens: Maximum positions in a batch; a longer sentence is a batch of its own.
        n_workers: Batches processed at a time; the number of batches of a length is a multiple of
            it, unless they would be small.
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
        if len(rows) >= _MIN_ROWS * n_shared:
            n_batches = n_shared
        bounds = [len(rows) * k // n_batches for k in range(n_batches + 1)]
        batches += [rows[start:end] for start, end in pairwise(bounds)]
    return batches


def full_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Group sentences into as few batches as possible, longest first.

    Args:
        lengths: As in `length_batches`.
        max_tokens: Maximum positions in a batch, counting padding to its longest sentence.
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
    """Group sentences of similar lengths, longest first, into batches of about equal size.

    Args:
        lengths: Padded length of each sentence.
        max_tokens: Approximate maximum of positions in a batch; a longer sentence is a batch of its
            own.
        n_workers: Batches processed at a time; the number of batches is a multiple of it, unless
            they would be small.
    Returns:
        Indices into `lengths`, each once.
    """
    order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
    total = sum(lengths)
    n_batches = -(-total // max_tokens)
    n_shared = -(-n_batches // n_workers) * n_workers
    if len(order) >= _MIN_ROWS * n_shared:
        n_batches = n_shared
    batches: defaultdict[int, list[int]] = defaultdict(list)
    end = 0
    for i in order:
        end += lengths[i]
        batches[(2 * end - lengths[i]) * n_batches // (2 * total)].append(i)
    return list(batches.values())

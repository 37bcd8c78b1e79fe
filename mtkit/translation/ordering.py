"""Which sentences are translated together, so that little is padding."""

from collections.abc import Sequence


def length_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Sort by length, the longest first, and cut into batches of at most `max_tokens` padded positions.

    Args:
        lengths: Tokens of each sentence.
        max_tokens: A sentence longer than this makes a batch of its own.
    Returns:
        Indices into `lengths`, each once.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for i in order:
        # The first of a batch is its longest.
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches

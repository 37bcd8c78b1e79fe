"""Which sentences are translated together: those of one length, padding counted."""

from collections.abc import Sequence


def length_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Sort by length, the longest first, and cut into batches of one length and at most `max_tokens` positions.

    Args:
        lengths: Positions of each sentence, as it will be padded.
        max_tokens: A sentence longer than this makes a batch of its own.
    Returns:
        Indices into `lengths`, each once.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for i in order:
        if batches and lengths[batches[-1][0]] == lengths[i] and (len(batches[-1]) + 1) * lengths[i] <= max_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches

"""The order of the sentences in a batch once some have left it."""


def filled_gaps(stays: list[bool]) -> list[int]:
    """Move the last sentences of a batch into the gaps, so that few have to be copied.

    Args:
        stays: For each sentence, whether it stays in the batch.
    Returns:
        Indices of the sentences that stay, in their new order.
    """
    rest = [row for row, does_stay in enumerate(stays) if does_stay]
    n = len(rest)
    return [row if stays[row] else rest.pop() for row in range(n)]

"""Layout of a batch: padded lengths, and the order of the rows when some have left."""


def padded_length(n_positions: int, limit: int | None = None) -> int:
    """Return the length to which a sentence is padded, whatever else is in its batch.

    Sums over a source differ in the last bit if padding is added to it, although padding has no
    weight. Therefore only sentences that are padded to the same length are encoded together.

    Args:
        n_positions: Number of positions of the sentence, EOS included.
        limit: Maximum padded length; None if there is none.
    """
    step = 4 if n_positions <= 32 else 8 if n_positions <= 128 else 16
    padded = -(-n_positions // step) * step
    return padded if limit is None else max(n_positions, min(padded, limit))


def coarse_length(n_positions: int) -> int:
    """Round a length up to one of few: powers of two from 16, and the midpoints between them.

    For code that needs few different shapes and for which padding is cheap.
    """
    power = max(1 << (n_positions - 1).bit_length(), 16)
    return 3 * power // 4 if n_positions <= 3 * power // 4 and power >= 32 else power


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

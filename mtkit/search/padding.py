"""How long a source is made with padding: a length that depends on the sentence alone, so that its translation does too."""


def padded_length(n_positions: int) -> int:
    """The length that a sentence is padded to, whatever stands beside it in a batch.

    Sums over a source come out differently in the last bit when padding is added to it, even padding that counts for nothing. So only sentences that
    are padded to the same length are read together.

    Args:
        n_positions: Of the sentence, EOS counted.
    """
    step = 4 if n_positions <= 32 else 8 if n_positions <= 128 else 16
    return -(-n_positions // step) * step


def coarse_length(n_positions: int) -> int:
    """A length with room for so many positions out of a few: powers of two, and halfway between them, from 16.

    For where shapes are to be few and padding costs little.
    """
    power = max(1 << (n_positions - 1).bit_length(), 16)
    return 3 * power // 4 if n_positions <= 3 * power // 4 and power >= 32 else power

"""How long a source is made with padding: a length that depends on the sentence alone, so that its translation does too."""


def padded_length(n_positions: int) -> int:
    """The length that a sentence is padded to, whatever stands beside it in a batch.

    Sums over a source come out differently in the last bit when padding is added to it, even padding that counts for nothing. So only sentences that
    are padded to the same length share a batch.

    Args:
        n_positions: Of the sentence, EOS counted.
    """
    step = 4 if n_positions <= 32 else 8 if n_positions <= 128 else 16
    return -(-n_positions // step) * step

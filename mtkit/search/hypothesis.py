"""What a search finds."""

from typing import NamedTuple


class Hypothesis(NamedTuple):
    """One translation of one sentence, as token ids."""

    token_ids: list[int]
    """Target pieces, without BOS and EOS."""
    log_prob: float
    """Natural logarithm of its probability, EOS included."""
    score: float
    """`log_prob` after the length penalty; larger is better."""

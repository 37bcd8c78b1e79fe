"""Hypotheses and their scores."""

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mtkit.config.search import SearchConfig

if TYPE_CHECKING:
    from torch import Tensor

Length = TypeVar("Length", int, "Tensor")


class Hypothesis(NamedTuple):
    """One translation of one sentence, as token ids."""

    token_ids: list[int]
    """Target token ids, without BOS and EOS."""
    log_prob: float
    """Natural logarithm of the probability, EOS included."""
    score: float
    """`log_prob` after the length penalty; larger is better."""


def length_penalty(length: int, config: SearchConfig) -> float:
    """Compute the divisor of a log-probability by the search settings; `length` includes EOS."""
    if config.length_penalty == "wu":
        return float(wu_length_penalty(length, config.alpha))
    if config.length_penalty == "mean":
        return float(mean_length_penalty(length, config.alpha))
    return 1.0


def wu_length_penalty(length: Length, alpha: float) -> Length | float:
    """Compute the divisor that keeps short hypotheses from winning because they are short.

    Wu et al. 2016 (arXiv:1609.08144), section 7: ((5 + length) / 6) ** alpha.

    Args:
        length: Number of tokens of the hypothesis, EOS included.
        alpha: Exponent; 0 has no effect, 0.6 to 1.0 is usual.
    Returns:
        At least 1 if `length` is at least 1.
    Raises:
        ValueError: alpha is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha ({alpha}) is negative")
    return ((5 + length) / 6) ** alpha


def mean_length_penalty(length: Length, alpha: float) -> Length | float:
    """Compute the divisor that makes the score the mean log-probability of a token, if alpha is 1.

    Args:
        length: Number of tokens of the hypothesis, EOS included.
        alpha: Exponent; 0 has no effect.
    Raises:
        ValueError: alpha is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha ({alpha}) is negative")
    return length**alpha

"""Length penalties."""

from typing import TypeVar

from torch import Tensor

from mtkit.config.search import SearchConfig

Length = TypeVar("Length", int, Tensor)


def wu_length_penalty(length: Length, alpha: float) -> Length | float:
    """Divide a log-probability by this, so that short hypotheses do not win for being short.

    Wu et al. 2016 (arXiv:1609.08144), section 7: ((5 + length) / 6) ** alpha.

    Args:
        length: Tokens of the hypothesis, EOS counted.
        alpha: 0 changes nothing; 0.6 to 1.0 is usual.
    Returns:
        At least 1 wherever length is.
    Raises:
        ValueError: alpha is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha ({alpha}) is negative")
    return ((5 + length) / 6) ** alpha


def mean_length_penalty(length: Length, alpha: float) -> Length | float:
    """Divide a log-probability by this; with alpha 1 the score is the mean log-probability of a token.

    Args:
        length: Tokens of the hypothesis, EOS counted.
        alpha: The power that the length is raised to; 0 changes nothing.
    Raises:
        ValueError: alpha is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha ({alpha}) is negative")
    return length**alpha


def length_penalty(length: int, config: SearchConfig) -> float:
    """The divisor that the search settings ask for; `length` counts EOS."""
    if config.length_penalty == "wu":
        return float(wu_length_penalty(length, config.alpha))
    if config.length_penalty == "mean":
        return float(mean_length_penalty(length, config.alpha))
    return 1.0

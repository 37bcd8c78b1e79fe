"""What a translation gives back."""

from typing import NamedTuple


class Alternative(NamedTuple):
    """One of the n best."""

    text: str
    score: float


class Translation(NamedTuple):
    """The translation of one line."""

    text: str
    """The best one."""
    score: float
    """Its log-probability after the length penalty; of a line translated in parts, their mean; 0 for a blank line."""
    alternatives: tuple[Alternative, ...]
    """The n best, the first being `text`; of a line translated in parts and of a blank line, the one."""

"""What a translation gives back."""

from typing import NamedTuple

Alignment = tuple[tuple[int, int], ...]
"""Numbers of a source word and a target word for each link, from 0, in order."""


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
    alignment: Alignment | None = None
    """Which words of the line and of `text` belong together; None if it was not asked for."""

"""What a translation gives back."""

from typing import Literal, NamedTuple

Flag = Literal["split", "looped", "copied"]
"""What is worth knowing of a translation.

split: it was made in parts. looped: it repeats itself or is far too long or too short, and searching again did not help. copied: it is the source
itself. There is no flag for a text cut short, since none is.
"""

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
    flags: tuple[Flag, ...] = ()
    """What is worth knowing of it; none of most lines."""
    alignment: Alignment | None = None
    """Which words of the line and of `text` belong together; None if it was not asked for."""

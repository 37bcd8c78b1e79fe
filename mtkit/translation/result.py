"""Results of translating."""

from typing import Literal, NamedTuple

Flag = Literal["split", "looped", "short", "copied", "placeholder"]
"""Remarks on a translation.

split: it was translated in parts. looped: it repeats itself or is far too long. short: it is far shorter than its source or has far fewer sentences.
Both are set only if searching again did not help. copied: it is the source itself. placeholder: a placeholder of the source, such as `{name}`, `%s`,
`<b>`, a URL or a number, is not in it.
"""

Alignment = tuple[tuple[int, int], ...]
"""Numbers of a source word and a target word for each link, from 0, in order."""


class Candidate(NamedTuple):
    """A translation of a part of a line."""

    text: str
    score: float
    """Log-probability after the length penalty; 0 for a copied text."""
    token_ids: list[int]
    """Token ids of the text; none if no search has found it."""


LineCandidates = list[list[Candidate]]
"""For each part of a line its candidates, the best first."""


class Alternative(NamedTuple):
    """One of the n best."""

    text: str
    score: float


class Translation(NamedTuple):
    """The translation of one line."""

    text: str
    """The best one."""
    score: float
    """Log-probability after the length penalty; for a line translated in parts, their mean; 0 for a blank or copied line."""
    alternatives: tuple[Alternative, ...]
    """The n best, the first being `text`; for a line translated in parts, the best combinations of theirs."""
    flags: tuple[Flag, ...] = ()
    """Remarks; most lines have none."""
    alignment: Alignment | None = None
    """Links between the words of the line and of `text`; None if it was not asked for."""

"""Report on the translation of a document."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mtkit.io.logs import counted

MAX_LISTED = 1_000
"""Segments that are listed; all are counted."""


class FlaggedSegment(NamedTuple):
    """A segment that needed a fall-back or that the translate function flagged."""

    part: str | None
    """Member of a package that it is in; None for a document of one file."""
    line: int
    """Line of the document, or of the part, where it begins, from 1."""
    source: str
    translation: str
    fallbacks: tuple[str, ...]
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that it has."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass
class DocumentReport:
    """Result of `translate_document`."""

    format: str
    encoding: str
    n_segments: int = 0
    n_changed: int = 0
    """Segments whose translation differs from the source."""
    fallbacks: Counter[str] = field(default_factory=Counter)
    """Number of segments for each fall-back, and of unusual places in the document."""
    flags: Counter[str] = field(default_factory=Counter)
    """Number of segments for each flag of the translate function."""
    listed: list[FlaggedSegment] = field(default_factory=list)
    """The first `MAX_LISTED` of these segments."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {
            "format": self.format,
            "encoding": self.encoding,
            "segments": self.n_segments,
            "changed": self.n_changed,
            "fallbacks": dict(self.fallbacks),
            "flags": dict(self.flags),
            "flagged_segments": [one.to_dict() for one in self.listed],
        }

    def __str__(self) -> str:
        """Return for example `12 segments, 11 changed; source kept: 1`."""
        counts = [*self.fallbacks.most_common(), *self.flags.most_common()]
        text = f"{counted(self.n_segments, 'segments')}, {self.n_changed:,} changed"
        return "; ".join([text, *(f"{name}: {n:,}" for name, n in counts)])

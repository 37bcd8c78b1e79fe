"""Plain text: each line with words is a segment."""

import re

from mtkit.documents.collector import has_words
from mtkit.documents.segment import Document, Segment

_LINE = re.compile(r"[^\r\n]+")


class TextDocument(Document):
    """Plain text. White space around a line is kept."""

    @classmethod
    def parse(cls, text: str) -> "TextDocument":
        """Read the segments of a text."""
        segments: list[Segment] = []
        for match in _LINE.finditer(text):
            line = match.group()
            core = line.strip()
            if has_words(core):
                begin = match.start() + line.index(core)
                segments.append(Segment(core, begin, begin + len(core)))
        return cls(text, segments)

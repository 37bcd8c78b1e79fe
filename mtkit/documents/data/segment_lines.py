"""Files of segments: a JSON object on each line, which gets a translation."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mtkit.documents.collector import has_words
from mtkit.documents.data.segment_objects import read_segment, written_segment
from mtkit.documents.segment import Document, Edit, Piece, ReadOptions, Translated, apply_edits
from mtkit.errors import MtkitError
from mtkit.io.json_lines import broken_json

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass
class SegmentLines(Document):
    """A file of segments. All that its lines have is kept, and `translation` is added."""

    objects: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Segments by the places of their closing braces."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "SegmentLines":
        """Read the segments of a file.

        Raises:
            MtkitError: A line is not a segment.
        """
        document = cls(text)
        for number, match in enumerate(_LINE.finditer(text), 1):
            line = match.group().rstrip()
            if not line:
                continue
            where = f"`{options.name}`: line {number:,}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise broken_json(where, exc) from None
            if not isinstance(value, dict) or "translation" in value:
                raise MtkitError(
                    f"{where}: is not an object, or has a translation already",
                    'each line is a segment such as {"text": "Hello"}',
                )
            end = match.start() + len(line) - 1
            document.objects[end] = value
            segment = read_segment(value, where)
            if has_words(segment.text):
                document.segments.append(replace(segment, begin=end, end=end))
        return document

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the file with a translation in each object."""
        pieces: dict[int, Sequence[Piece]] = {one.segment.begin: one.pieces for one in translated}
        is_ascii = self.text.isascii() and "\\u" in self.text
        edits: list[Edit] = []
        for end, value in self.objects.items():
            result = written_segment(value, pieces.get(end))
            text = json.dumps(result, ensure_ascii=is_ascii)
            edits.append(Edit(end, end, f', "translation": {text}'))
        return apply_edits(self.text, edits, 0, len(self.text))

"""Units of text with a source and a target: the translation of one is written to the other."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mtkit.documents.collector import Collector
from mtkit.documents.html import INLINE
from mtkit.documents.segment import Document, Edit, Segment, Translated, apply_edits

_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd div dl dt fieldset figcaption"
    " figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol option p pre"
    " section select summary table tbody td tfoot th thead title tr ul".split()
)
_SPECIAL = re.compile(
    r"(?P<line>\n)"
    r"|<(?P<end>/?)(?P<name>[A-Za-z][\w:-]*)(?=[\s/>])[^<>]*>"
    r"|&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});"
)
"""Line breaks, and the markup of HTML in the text of a unit."""
NO_WORDS = "units without words kept"
"""Remark on units that have no translation and nothing to translate, such as `%s: %s`."""
MNEMONIC = "mnemonic"
"""Flag of a translation without the mnemonic of its source, or with several."""
_MNEMONICS = tuple(
    re.compile(rf"(?<![\w&])(?:{mark}(?=[^\W_])(?![A-Za-z0-9]*;)|[A-Z][A-Za-z]*{mark}(?=[a-z]))")
    for mark in "&_"
)
"""Marks of the letter that selects a menu item: before a word, as in `&File`, or within a word with
a capital letter, as in `E_xit`; not in `R&D`, `&amp;` and `file_name`."""


class Plain(NamedTuple):
    """Plain text of a part of a document, with the place of each character in it."""

    text: str
    begins: Sequence[int]
    ends: Sequence[int]


class SegmentReader:
    """Reads the segments of a unit. Lines and embedded HTML blocks are segments of their own.

    Args:
        document: Text of the document.
        keeps_lines: Whether a line break in a text is more than white space.
        copied: Pattern of text that is copied, such as format directives.
    """

    def __init__(
        self, document: str, *, keeps_lines: bool, copied: re.Pattern[str] | None = None
    ) -> None:
        self.keeps_lines, self.copied = keeps_lines, copied
        self.segments: list[Segment] = []
        self._document = document
        self._collector = Collector(document)
        self._n_open = 0
        """Pairs of inline codes that are open, which no segment may cut in halves."""

    @property
    def is_within_codes(self) -> bool:
        """Whether inline codes are open, so that no segment may end here."""
        return self._n_open > 0

    def add_plain(self, plain: Plain) -> None:
        """Add text. Embedded HTML tags are codes, and other tags and references are copied."""
        position = 0
        for match in _SPECIAL.finditer(plain.text):
            begin, end = plain.begins[match.start()], plain.ends[match.end() - 1]
            name = (match["name"] or "").lower()
            if match["line"] and not self.keeps_lines:
                continue
            self._add(plain, position, match.start())
            position = match.end()
            if match["line"] or name in _BLOCKS:
                if self.is_within_codes:
                    self._collector.add_code(begin, end)
                    self._collector.add_chars(" ", [end], [end])
                else:
                    self.flush()
            elif name in INLINE:
                is_pair = not match.group().endswith("/>")
                self._collector.add_code(begin, end, match["end"] + name if is_pair else "")
            else:
                self._collector.add_protected(begin, end, match.group())
        self._add(plain, position, len(plain.text))

    def _add(self, plain: Plain, begin: int, end: int) -> None:
        if self.copied is None:
            self._add_chars(plain, begin, end)
            return
        for match in self.copied.finditer(plain.text, begin, end):
            first, last = match.span()
            self._add_chars(plain, begin, first)
            self.add_protected(plain.begins[first], plain.ends[last - 1], match.group())
            begin = last
        self._add_chars(plain, begin, end)

    def _add_chars(self, plain: Plain, begin: int, end: int) -> None:
        self._collector.add_chars(
            plain.text[begin:end], plain.begins[begin:end], plain.ends[begin:end]
        )

    def add_code(self, begin: int, end: int, name: str = "") -> None:
        """Add inline markup, as `Collector.add_code` does."""
        self._collector.add_code(begin, end, name)
        if name:
            self._n_open = max(self._n_open + (-1 if name.startswith("/") else 1), 0)

    def add_protected(self, begin: int, end: int, text: str) -> None:
        """Add a slice of the document that is copied, and its text."""
        self._collector.add_protected(begin, end, text)

    def flush(self) -> None:
        """End the current segment."""
        if segment := self._collector.segment():
            self.segments.append(segment)
        self._collector = Collector(self._document)


@dataclass
class UnitDocument(Document):
    """A document in which a translation is written next to its source."""

    sources: list[tuple[int, int]] = field(default_factory=list)
    """Slice of the document that each source is, in order and without overlaps."""

    def flags(self, segment: Segment, text: str) -> tuple[str, ...]:
        """Flag a translation if its source has one mnemonic, and it has none or several."""
        is_wrong = any(
            len(mark.findall(segment.text)) == 1 != len(mark.findall(text)) for mark in _MNEMONICS
        )
        return (MNEMONIC,) if is_wrong else ()

    def contents(self, translated: Sequence[Translated]) -> dict[int, str]:
        """Return the new content of each source of which a segment changes, by its index."""
        begins = [begin for begin, _ in self.sources]
        changed = {bisect_right(begins, one.segment.begin) - 1 for one in translated}
        edits = self.all_edits(translated)
        contents: dict[int, str] = {}
        for index in sorted(changed):
            source = self.sources[index]
            content = apply_edits(self.text, edits, *source)
            if content != self.text[slice(*source)]:
                contents[index] = content
        return contents

    def target_edits(self, contents: dict[int, str]) -> list[Edit]:
        """Return the changes that write the targets of sources.

        Args:
            contents: New content by index of the source.
        """
        raise NotImplementedError

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the text of the document with new targets; the sources stay as they are."""
        edits = sorted(self.target_edits(self.contents(translated)))
        return apply_edits(self.text, edits, 0, len(self.text))

"""The inner form of every document: its text, and the segments of it that are translated."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mtkit.documents.encoding import UTF_8, Encoding

TRANSLATED_ALREADY = "translated already"
"""Remark on units that have a translation, which is kept."""


class Code(NamedTuple):
    """Inline markup within a segment, such as an HTML tag. Its text is a slice of the document."""

    position: int
    """Position in the text of the segment, in characters."""
    begin: int
    """First character in the document."""
    end: int
    """Character after the last one in the document."""
    partner: int | None = None
    """Index of the other tag of a pair in the codes of the segment; None for an empty or unpaired
    tag."""


class Protected(NamedTuple):
    """Part of a segment that must be copied, such as a placeholder."""

    begin: int
    """First character in the text of the segment."""
    end: int
    """Character after the last one."""
    markup: str
    """Text that is written to the document."""
    place: int | None = None
    """First character of the markup in the document, where translations may be written into it;
    None if it is copied."""
    is_text: bool = False
    """Whether it is plain text, to be escaped, such as a URL that was found in the text."""


Piece = str | Code | Protected
"""Part of a translated segment: text to be escaped, or something to be copied."""


@dataclass(frozen=True)
class Segment:
    """A unit of translation: text without markup, and its place in the document."""

    text: str
    begin: int
    """First character of the slice of the document that a translation replaces."""
    end: int
    """Character after the last one."""
    codes: tuple[Code, ...] = ()
    """Inline markup, in the order of the document; its pairs are properly nested."""
    protected: tuple[Protected, ...] = ()
    """Parts to be copied, in order; they do not overlap, and contain no codes."""
    parts: tuple["Segment", ...] = ()
    """Segments that this one was joined from, such as cues; none if it is not joined."""
    is_attribute: bool = False
    """Whether the slice is the value of an attribute."""
    part: int = 0
    """Index of the part that the slice is in, if the document is a package."""


class ReadOptions(NamedTuple):
    """Options of the formats, for documents in which not all text has to be translated."""

    src_lang: str = ""
    """Language code of the document."""
    tgt_lang: str = ""
    """Language code of the translation."""
    fields: tuple[str, ...] = ()
    """Names of the keys or columns to translate; all if empty."""
    name: str = "document"
    """Name of the document in errors."""
    is_final: bool = False
    """Whether translations are marked as finished, not as drafts to be reviewed."""
    with_fuzzy: bool = False
    """Whether translations that are marked as fuzzy are replaced."""


class Edit(NamedTuple):
    """Replacement of a slice of the document."""

    begin: int
    end: int
    text: str


class Translated(NamedTuple):
    """A segment whose slice of the document changes."""

    segment: Segment
    pieces: Sequence[Piece]


@dataclass
class Document:
    """A document that was read. The subclass for each format knows how to write into it.

    The slice of a segment may be within a code of another one: a text box within a paragraph, or
    the attribute of a tag.
    """

    text: str
    segments: list[Segment] = field(default_factory=list)
    remarks: dict[str, int] = field(default_factory=dict)
    """Number of times that something unusual was found while reading, by description."""
    marks: list[Edit] = field(default_factory=list)
    """Changes of markup that go with a translation, such as its language. Each replaces a tag, or a
    part of one, and none is within the slice of a segment without being within a code of it."""
    encoding: Encoding = UTF_8

    encoding_errors = "strict"
    """Treatment of characters that the encoding of the document lacks, as in `str.encode`."""

    def escape(self, text: str, segment: Segment) -> str:
        """Return how plain text is written in the place of a segment."""
        return text

    def fits(self, translated: Translated) -> bool:
        """Return whether a translation can be written; otherwise the parts are translated."""
        return True

    def flags(self, segment: Segment, text: str) -> tuple[str, ...]:
        """Return what a person has to check in a translation, given as text without markup."""
        return ()

    def part_name(self, segment: Segment) -> str | None:
        """Return the name of the part of a package that a segment is in; None for one file."""
        return None

    def line(self, segment: Segment) -> int:
        """Return the line of the document, or of its part, where a segment begins, from 1."""
        return bisect_right(self._line_ends, segment.begin) + 1

    @cached_property
    def _line_ends(self) -> list[int]:
        return [index for index, char in enumerate(self.text) if char == "\n"]

    def edits(self, translated: Translated, inner: Sequence[Edit]) -> list[Edit]:
        """Return the changes that write a translation.

        Args:
            translated: A segment and its translation.
            inner: Sorted edits within markup.
        """
        segment, pieces = translated
        text = "".join(self.render(piece, segment, inner) for piece in pieces)
        return [Edit(segment.begin, segment.end, text)]

    def render(self, piece: Piece, segment: Segment, inner: Sequence[Edit]) -> str:
        """Return the text of a piece in the document."""
        if isinstance(piece, str):
            return self.escape(piece, segment)
        if isinstance(piece, Protected):
            if piece.place is not None:
                return apply_edits(self.text, inner, piece.place, piece.place + len(piece.markup))
            return self.escape(piece.markup, segment) if piece.is_text else piece.markup
        return apply_edits(self.text, inner, piece.begin, piece.end)

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the text of the document with translated segments; all else is unchanged."""
        return apply_edits(self.text, self.all_edits(translated), 0, len(self.text))

    def all_edits(self, translated: Sequence[Translated]) -> list[Edit]:
        """Return the sorted changes that write translations; none is within another one."""
        edits = sorted(self.marks)
        for level in _innermost_first(translated):
            new = (edit for one in level for edit in self.edits(one, edits))
            edits = _outermost([*edits, *new])
        return edits

    def encode(self, translated: Sequence[Translated], name: str) -> bytes:
        """Return the bytes of the document with translated segments.

        Args:
            translated: The segments that change.
            name: Name of the document in errors.
        Raises:
            MtkitError: The encoding lacks a character.
        """
        return self.encoding.encode(self.write(translated), self.encoding_errors, name)


def _innermost_first(translated: Sequence[Translated]) -> list[list[Translated]]:
    """Divide segments into levels, so that those within the slice of others precede them."""
    levels: list[list[Translated]] = []
    ends: list[int] = []
    for one in sorted(translated, key=lambda one: (one.segment.begin, -one.segment.end)):
        while ends and ends[-1] <= one.segment.begin:
            ends.pop()
        if len(ends) == len(levels):
            levels.append([])
        levels[len(ends)].append(one)
        ends.append(one.segment.end)
    return levels[::-1]


def _outermost(edits: Iterable[Edit]) -> list[Edit]:
    """Return sorted edits without those within the slice of another one, which contains them."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.begin, -edit.end)):
        if not kept or edit.begin >= kept[-1].end:
            kept.append(edit)
    return kept


def apply_edits(text: str, edits: Sequence[Edit], begin: int, end: int) -> str:
    """Return a slice of a text with the sorted edits that are within it."""
    first = _first_at(edits, begin)
    parts: list[str] = []
    for edit in edits[first : _first_at(edits, end)]:
        parts += [text[begin : edit.begin], edit.text]
        begin = edit.end
    return "".join([*parts, text[begin:end]])


def _first_at(edits: Sequence[Edit], position: int) -> int:
    return bisect_left(edits, (position,))

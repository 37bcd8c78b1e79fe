"""Paragraphs of runs, which are texts with equal formatting: how a translation is written.

The formatting that most of a segment has needs no codes; stretches in other formatting are pairs of
codes. A translation is written in runs again, each with the properties of the source's run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mtkit.documents.office.ranges import with_ranges_in_order
from mtkit.documents.segment import (
    Code,
    Document,
    Edit,
    Piece,
    Protected,
    Segment,
    Translated,
    apply_edits,
)
from mtkit.documents.xml_tokens import escape


class Run(NamedTuple):
    """A run of a paragraph."""

    begin: int
    """First character in the document."""
    head_end: int
    """Character after its properties."""
    key: str
    """Its formatting; runs with the same key are merged."""
    tail: str
    """Its end tag."""
    text_tag: str
    """Name of the element of its text, with the prefix that the document uses."""


class CodeInfo(NamedTuple):
    """Kind of a code of a segment, and how it is written."""

    kind: Literal["format", "open", "close", "element", "inline"]
    """Begin or end of a formatting; a tag around runs; an element between runs, or within one."""
    run: Run | None = None
    """For `format`, the run that has it; for `open`, a run with the usual formatting within; for
    `inline`, the run that it is in."""
    has_space: bool = False
    """Whether white space follows it in addition to what precedes it."""


@dataclass(frozen=True)
class RunSegment(Segment):
    """A segment of runs."""

    infos: Mapping[tuple[int, int], CodeInfo] = field(default_factory=dict)
    """The codes by their slice of the document."""
    base: Run | None = None
    """A run with the usual formatting."""
    first: Run | None = None
    """Run whose text the slice begins in; None if it begins between runs."""
    last: Run | None = None
    """Run whose text the slice ends in; None if it ends between runs."""
    text_tags: tuple[tuple[int, int], ...] = ()
    """Tags before the slice whose text may get white space at an end."""


@dataclass
class RunDocument(Document):
    """A part of an office document whose text is in runs."""

    keeps_space: bool = True
    """Whether white space at an end of a text has to be marked by `xml:space`."""

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text for XML, or for the attribute that a segment is."""
        return escape(text, self.text[segment.begin - 1] if segment.is_attribute else "")

    def edits(self, translated: Translated, inner: Sequence[Edit]) -> list[Edit]:
        """Return the changes that write a translation in runs."""
        segment = translated.segment
        if not isinstance(segment, RunSegment):
            return super().edits(translated, inner)
        writer = _Writer(self, segment, inner)
        for piece in with_ranges_in_order(translated.pieces, self.text):
            writer.add(piece)
        edits = [Edit(segment.begin, segment.end, writer.finish())]
        if self.keeps_space and segment.codes:
            edits += [
                Edit(begin, end, f'{self.text[begin : end - 1]} xml:space="preserve">')
                for begin, end in segment.text_tags
            ]
        return edits


class _Writer:
    """Writes one translation.

    Args:
        document: The document.
        segment: The segment that is written.
        inner: Sorted edits within markup.
    """

    def __init__(self, document: RunDocument, segment: RunSegment, inner: Sequence[Edit]) -> None:
        self.document, self.segment, self.inner = document, segment, inner
        self.out: list[str] = []
        self.run = segment.first
        self.is_in_text = segment.first is not None
        self.runs = [segment.base]
        self.tag_index: int | None = None
        """Index in `out` of the start tag of the text, if it was written."""

    def add(self, piece: Piece) -> None:
        """Write a piece of the translation."""
        if isinstance(piece, Code):
            self._add_code(piece, self.segment.infos[piece.begin, piece.end])
        elif isinstance(piece, Protected) and not piece.is_text:
            self._leave()
            self.out.append(piece.markup)
        else:
            self._enter(self.runs[-1])
            self._enter_text()
            self.out.append(self.document.render(piece, self.segment, self.inner))

    def _add_code(self, code: Code, info: CodeInfo) -> None:
        if info.kind == "format":
            if info.run is None:
                self.runs.pop()
            else:
                self.runs.append(info.run)
            return
        if info.kind == "inline":
            self._enter(info.run)
            self._leave_text()
        else:
            self._leave()
        self.out.append(apply_edits(self.document.text, self.inner, code.begin, code.end))
        if info.kind == "open":
            self.runs.append(info.run or self.runs[-1])
        elif info.kind == "close":
            self.runs.pop()
        if info.has_space:
            self._enter(info.run or self.runs[-1])
            self._enter_text()
            self.out.append(" ")

    def finish(self) -> str:
        """Return what was written, ended as the slice ends."""
        if self.segment.last is None:
            self._leave()
        else:
            self._enter(self.segment.last)
            self._enter_text()
            self._mark_space(is_open=True)
        return "".join(self.out)

    def _enter(self, run: Run | None) -> None:
        """Be in a run with the formatting of the given one."""
        assert run is not None
        if self.run is not None and self.run.key == run.key:
            return
        self._leave()
        self.out.append(apply_edits(self.document.text, self.inner, run.begin, run.head_end))
        self.run = run

    def _leave(self) -> None:
        self._leave_text()
        if self.run is not None:
            self.out.append(self.run.tail)
            self.run = None

    def _enter_text(self) -> None:
        assert self.run is not None
        if not self.is_in_text:
            self.tag_index = len(self.out)
            self.out.append(f"<{self.run.text_tag}>")
            self.is_in_text = True

    def _leave_text(self) -> None:
        if self.is_in_text:
            assert self.run is not None
            self._mark_space()
            self.out.append(f"</{self.run.text_tag}>")
            self.is_in_text = False

    def _mark_space(self, *, is_open: bool = False) -> None:
        """Mark the text if white space at an end of it has to be kept.

        Args:
            is_open: Whether more text follows the slice.
        """
        index, self.tag_index = self.tag_index, None
        if index is None or not self.document.keeps_space:
            return
        text = "".join(self.out[index + 1 :])
        if is_open or text != text.strip():
            self.out[index] = self.out[index][:-1] + ' xml:space="preserve">'

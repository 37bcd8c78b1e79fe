"""Markdown documents: their text, and how a translation is written without new markup."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mtkit.corpus.languages import word_separator
from mtkit.documents.collector import Collector
from mtkit.documents.markdown.blocks import Block, Blocks
from mtkit.documents.markdown.escapes import (
    ESCAPES,
    escape_heading_end,
    escape_line_start,
)
from mtkit.documents.markdown.inline import Inline, InlineParser
from mtkit.documents.segment import (
    Document,
    Edit,
    Piece,
    Protected,
    ReadOptions,
    Segment,
    Translated,
    apply_edits,
)
from mtkit.errors import MtkitError

BLOCKS_KEPT = "blocks kept whose translation would be markup"
EMPHASIS_AS_HTML = "emphasis written as HTML"
NOT_LOCATED = "blocks kept whose text was not found"
_SIMPLE = re.compile(r"[^\\[\]*_`<&|\r\n$~]+")
_CONTINUATION = re.compile(r"\r?\n[ \t>]*")
_MAX_KEPT = 50
_MARK = "\0"
"""Stands for markup where texts are compared."""
_MIN_WIDTH = 40


@dataclass(frozen=True)
class _TextSegment(Segment):
    """Text of a block, or the description of an image in it."""

    block: Block = field(kw_only=True)


class _Part(NamedTuple):
    """Part of a translation."""

    raw: str
    """Text in the document."""
    text: str | None = None
    """Plain text; None for markup."""


@dataclass
class MarkdownDocument(Document):
    """A document in Markdown."""

    parser: InlineParser = field(default_factory=lambda: InlineParser({}))
    labels: dict[int, str] = field(default_factory=dict)
    """Names of links that are their text, by the beginning of the mark that closes the text."""
    html_tags: dict[int, str] = field(default_factory=dict)
    """Tags that can take the place of marks of emphasis, by the beginnings of these."""
    with_html: set[int] = field(default_factory=set)
    """Beginnings of the segments whose emphasis has to be HTML."""
    blocks: Blocks = field(default_factory=lambda: Blocks(""))
    structure: list[tuple[Any, ...]] = field(default_factory=list)
    name: str = ""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "MarkdownDocument":
        """Read the segments of a document."""
        blocks = Blocks(text)
        references = blocks.env.get("references", {})
        document = cls(text, parser=InlineParser(references), blocks=blocks, name=options.name)
        document.structure = blocks.structure()
        separator = word_separator(options.src_lang)
        for block in blocks:
            inline = document.parser.parse(block.content, is_paragraph=block.kind == "paragraph")
            document._add_images(block, inline)
            document._add_block(block, inline, separator)
        if blocks.n_lost:
            document.remarks[NOT_LOCATED] = blocks.n_lost
        return document

    def _add_images(self, block: Block, inline: Inline) -> None:
        for image in inline.images:
            content = block.content[image.begin : image.end]
            if _SIMPLE.fullmatch(content):
                collector = Collector(self.text, has_entities=False)
                collector.add_text(block.begins[image.begin], block.end(image.end - 1))
                self._add_segment(collector.segment(is_attribute=True), block)

    def _add_block(self, block: Block, inline: Inline, separator: str) -> None:
        collector = Collector(self.text, has_entities=False)
        place = 0
        for one in [*inline.constructs, None]:
            end = one.begin if one is not None else len(block.content)
            self._add_plain(collector, block, place, end)
            if one is None:
                break
            begin, end = block.begins[one.begin], block.end(one.end - 1)
            if block.content[one.end - 1] == "\n" and one.end < len(block.content):
                end = block.begins[one.end]  # the prefix of the next line stays with the line end
            if one.kind == "hard break":
                self._add_segment(collector.segment(), block)
                collector = Collector(self.text, has_entities=False)
            elif one.kind == "soft break":
                if separator and collector.chars and collector.chars[-1] != " ":
                    collector.add_whole(separator, begin, end)
            elif one.kind == "char":
                collector.add_whole(one.name, begin, end)
            elif one.kind == "copied":
                shown = " ".join(block.content[one.begin : one.end].split())
                collector.add_protected(begin, end, shown)
            else:
                name = {"open": one.name, "close": f"/{one.name}"}.get(one.kind, "")
                collector.add_code(begin, end, name)
                if one.begin in inline.labels and one.kind == "close":
                    self.labels[begin] = inline.labels[one.begin]
                if one.name in ("em", "strong"):
                    self.html_tags[begin] = f"<{name}>"
            place = one.end
        self._add_segment(collector.segment(), block)

    def _add_segment(self, segment: Segment | None, block: Block) -> None:
        if segment is not None:
            self.segments.append(_TextSegment(**vars(segment), block=block))

    def _add_plain(self, collector: Collector, block: Block, begin: int, end: int) -> None:
        """Add plain text, whose characters may be apart in the document."""
        while begin < end:
            stop = begin + 1
            while stop < end and block.begins[stop] == block.begins[stop - 1] + 1:
                stop += 1
            collector.add_text(block.begins[begin], block.begins[stop - 1] + 1)
            begin = stop

    def fits(self, translated: Translated) -> bool:
        """Return whether a translation can be written without new markup."""
        return self._rendered(translated, []) is not None

    def edits(self, translated: Translated, inner: Sequence[Edit]) -> list[Edit]:
        """Return the changes that write a translation, in lines as long as before."""
        segment = translated.segment
        text = self._rendered(translated, inner)
        if text is None:
            return []
        return [Edit(segment.begin, segment.end, text)]

    def _rendered(self, translated: Translated, inner: Sequence[Edit]) -> str | None:
        """Return the text of a translation; None if it would have other markup, however escaped."""
        segment = translated.segment
        assert isinstance(segment, _TextSegment)
        for is_html in (False, True) if segment.codes else (False,):
            for escape in ESCAPES:
                parts = [
                    self._part(piece, escape, inner, is_html=is_html) for piece in translated.pieces
                ]
                parts = _escaped_at_edges(parts, segment)
                if self._is_read_as(parts, segment):
                    if is_html:
                        self.with_html.add(segment.begin)
                    is_wrapped = "\n" in segment.block.content and not segment.is_attribute
                    return _wrapped(parts, segment.block) if is_wrapped else _joined(parts)
        return None

    def _part(
        self, piece: Piece, escape: Callable[[str], str], inner: Sequence[Edit], *, is_html: bool
    ) -> _Part:
        if isinstance(piece, str):
            return _Part(escape(piece), piece)
        if isinstance(piece, Protected):
            if piece.place is None:
                return _Part(escape(piece.markup), piece.markup)
            end = piece.place + len(piece.markup)
            return _Part(apply_edits(self.text, inner, piece.place, end))
        if piece.begin in self.labels:
            return _Part(f"][{' '.join(self.labels[piece.begin].split())}]")
        if is_html and piece.begin in self.html_tags:
            return _Part(self.html_tags[piece.begin])
        return _Part(apply_edits(self.text, inner, piece.begin, piece.end))

    def _is_read_as(self, parts: Sequence[_Part], segment: _TextSegment) -> bool:
        """Return whether parsing a rendered translation finds its markup and its text."""
        content = _content(_joined(parts), segment.block)
        if segment.is_attribute:
            content = f"![{content}](x)"
        inline = self.parser.parse(content, is_paragraph=segment.block.kind == "paragraph")
        if segment.is_attribute:
            return [one[:2] for one in inline.constructs] == [(0, len(content))]
        markup: list[str] = []
        shown, place = "", 0
        for one in inline.constructs:
            shown += content[place : one.begin]
            place = one.end
            if one.kind in ("char", "soft break"):
                shown += one.name or " "
            else:
                shown += _MARK
                markup.append(_normalized(content[one.begin : one.end]))
        shown += content[place:]
        expected = [
            _normalized(_content(part.raw, segment.block)) for part in parts if part.text is None
        ]
        text = "".join(_MARK if part.text is None else part.text for part in parts)
        return markup == expected and "".join(shown.split()) == "".join(text.split())

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the document with translated segments.

        A block whose translation would be read as other blocks is kept.

        Raises:
            MtkitError: Too many blocks would be.
        """
        remaining = list(translated)
        for n_kept in range(_MAX_KEPT):
            written = super().write(remaining)
            line = self._first_difference(written)
            if line is None:
                counts = {BLOCKS_KEPT: n_kept, EMPHASIS_AS_HTML: len(self.with_html)}
                self.remarks |= {name: n for name, n in counts.items() if n}
                return written
            lines = sorted({_line(one) for one in remaining})
            wrong = lines[max(bisect_right(lines, line) - 1, 0)]
            remaining = [one for one in remaining if _line(one) != wrong]
        raise MtkitError(
            f"`{self.name}`: the translations would be read as other headings, lists or tables",
            "check the translations with --input-format text",
        )

    def _first_difference(self, written: str) -> int | None:
        """Return the line of the first block that differs from what is read after writing."""
        structure = Blocks(written).structure()
        for index, sign in enumerate(self.structure):
            if index >= len(structure) or structure[index] != sign:
                before = (one.map for one in self.blocks.tokens[index::-1] if one.map)
                return next(before, [0])[0]
        return None if len(structure) == len(self.structure) else len(self.blocks.lines)


def _line(translated: Translated) -> int:
    segment = translated.segment
    assert isinstance(segment, _TextSegment)
    return segment.block.line


def _joined(parts: Sequence[_Part]) -> str:
    return "".join(part.raw for part in parts)


def _content(raw: str, block: Block) -> str:
    """Return written text as the parser of inline markup sees it."""
    text = _CONTINUATION.sub("\n", raw)
    return text.replace("\\|", "|") if block.kind == "cell" else text


def _normalized(raw: str) -> str:
    return " ".join(raw.split())


def _escaped_at_edges(parts: Sequence[_Part], segment: _TextSegment) -> list[_Part]:
    """Escape text that would be markup at the beginning of a line, in a cell or in a heading."""
    block = segment.block
    escaped: list[_Part] = []
    starts_line = block.starts_line
    for part in parts:
        raw = part.raw
        if part.text is not None and block.kind == "cell":
            raw = re.sub(r"(?<!\\)\|", r"\\|", raw)
        if part.text is not None and starts_line:
            raw = escape_line_start(raw)
        starts_line = block.starts_line and part.text is None and "\n" in raw
        escaped.append(part._replace(raw=raw))
    if block.kind == "cell" and escaped and escaped[-1].raw.endswith("\\"):
        escaped.append(_Part(" ", " "))  # a bar after a backslash would belong to the cell
    if block.kind == "heading" and escaped and escaped[-1].text is not None:
        escaped[-1] = escaped[-1]._replace(raw=escape_heading_end(escaped[-1].raw))
    return escaped


def _wrapped(parts: Sequence[_Part], block: Block) -> str:
    """Return a translation in lines of at most the width of the source, if words allow it.

    A line begins with a letter, so that it begins no block.
    """
    lines, line, word = [""], "", ""
    room = max(block.width - len(block.prefix), _MIN_WIDTH)

    def finish_word(gap: str) -> None:
        nonlocal line, word
        if line.endswith(" ") and word[:1].isalpha() and len(line.rstrip()) + 1 + len(word) > room:
            lines[-1] += f"{line.rstrip()}{block.newline}{block.prefix}"
            line = ""
        line, word = f"{line}{word}{gap}", ""

    for part in parts:
        if part.text is None:
            word += part.raw
            if "\n" in part.raw:
                finish_word("")
                lines[-1] += line
                line = ""
            continue
        for atom in re.split(r"( +)", part.raw):
            if atom.startswith(" "):
                finish_word(" ")
            else:
                word += atom
    finish_word("")
    return "".join(lines) + line

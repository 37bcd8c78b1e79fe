"""OpenDocument: odt, ods and odp documents (OASIS OpenDocument 1.3)."""

from dataclasses import replace

from mtkit.corpus.languages import base_language
from mtkit.documents.office.languages import (
    EAST_ASIAN,
    direction_change,
    is_right_to_left,
    with_region,
)
from mtkit.documents.office.markup import Markup, MarkupReader
from mtkit.documents.office.names import short_name
from mtkit.documents.office.package import SIGNATURES, Package, read_text
from mtkit.documents.office.spreadsheet import KEPT, literals, normalized
from mtkit.documents.segment import Document, Edit, ReadOptions, Segment
from mtkit.documents.xml_tokens import value_span
from mtkit.errors import MtkitError
from mtkit.io.zip_archive import ZipArchive

_TEXT = Markup(
    paragraphs=frozenset(("text:p", "text:h", "svg:title", "svg:desc")),
    pairs=frozenset(
        "text:span text:a text:meta text:bookmark-ref text:reference-ref text:text-input text:ruby"
        " text:ruby-base".split()
    ),
    breaks=frozenset(("text:tab", "text:line-break")),
    spaces=frozenset(("text:s",)),
    dropped=frozenset(("text:soft-page-break",)),
    skipped=frozenset(("text:tracked-changes", "table:tracked-changes")),
)
_MANIFEST = "META-INF/manifest.xml"
_FORMULAS = frozenset(("table:formula", "table:condition", "table:expression"))
_PLAIN = frozenset(
    (
        *("?:rsid", "?:paragraph-rsid", "fo:language", "fo:country"),
        *(
            f"style:{one}-{kind}"
            for one in ("language", "country")
            for kind in ("asian", "complex")
        ),
    )
)
"""Properties that are not formatting; LibreOffice writes the identity of an editing session."""


def unpack(archive: ZipArchive, options: ReadOptions) -> Document:
    """Read a text, a spreadsheet or a presentation.

    Raises:
        MtkitError: It is encrypted.
    """
    if _MANIFEST in archive and "encryption-data" in read_text(archive, _MANIFEST)[0]:
        raise MtkitError(f"`{archive.name}`: is encrypted", "save it without a password")
    package = Package("", archive=archive)
    if "META-INF/documentsignatures.xml" in archive:
        package.remarks[SIGNATURES] = 1
    kind = archive.read("mimetype").decode(errors="replace")
    for name in ("content.xml", "styles.xml"):
        if name not in archive:
            continue
        text, encoding = read_text(archive, name)
        reader = _Reader(text, f"{archive.name}: {name}", _TEXT)
        # The pages of a presentation's masters have prompts, which are not shown.
        if name == "content.xml" or "presentation" not in kind:
            reader.read()
        reader.document.marks += _language_marks(reader, options)
        package.add(name, reader.document, encoding)
    return package


class _Reader(MarkupReader):
    """Collects the segments of a part of a document."""

    def __init__(self, text: str, where: str, markup: Markup) -> None:
        super().__init__(text, where, markup)
        self.kept = self._referenced_texts()
        self.plain_styles = self._plain_styles()
        self.dropped_ends: set[int] = set()
        self.dropped_spans: list[tuple[int, int]] = []

    def read_token(self, index: int) -> int:
        """Read a token within a paragraph, and return the index of the next one."""
        token = self.tokens[index]
        if index in self.dropped_ends:
            return index + 1
        if self._is_plain(index):
            end = self.ends[index]
            self.dropped_ends.add(end)
            self.dropped_spans.append((token.begin, self.tokens[end].end))
            return index + 1
        return super().read_token(index)

    def _is_plain(self, index: int) -> bool:
        """Return whether a token begins a span without formatting, in one segment."""
        token = self.tokens[index]
        return (
            self.names[index] == "text:span"
            and token.kind == "start"
            and self.attributes(index).get("text:style-name") in self.plain_styles
            and not self.has_breaks(index)
        )

    def add_segment(self, segment: Segment) -> None:
        """Add a segment; of a span that is not kept, its slice has both tags or none."""
        begin, end = segment.begin, segment.end
        for first, last in self.dropped_spans:
            if first < begin < last < end or begin < first < end < last:
                begin, end = min(begin, first), max(end, last)
        super().add_segment(replace(segment, begin=begin, end=end))
        self.dropped_spans = []

    def _plain_styles(self) -> frozenset[str]:
        """Return the styles of text that only note an editing session or a language."""
        found: set[str] = set()
        for index, name in enumerate(self.names):
            attributes = self.attributes(index)
            if name != "style:style" or attributes.get("style:family") != "text":
                continue
            properties = [
                key
                for inner in range(index + 1, self.ends[index])
                for key in self.attributes(inner)
            ]
            if properties and _PLAIN.issuperset(properties) and len(attributes) == 2:
                found.add(attributes.get("style:name", ""))
        return frozenset(found)

    def is_skipped(self, index: int) -> bool:
        """Return whether an element is not translated, such as a cell with a number."""
        if super().is_skipped(index):
            return True
        if self.names[index] != "table:table-cell":
            return False
        attributes = self.attributes(index)
        kind = attributes.get("office:value-type", "string")
        if kind != "string" or "table:formula" in attributes:
            return True
        last = self.ends[index]
        text = "".join(
            self.text[token.begin : token.end]
            for token in self.tokens[index:last]
            if token.kind == "text"
        )
        is_kept = normalized(text) in self.kept
        if is_kept:
            self.remark(KEPT)
        return is_kept

    def _referenced_texts(self) -> frozenset[str]:
        """Return the texts to which formulas, filters and pivot tables refer by their value."""
        found: set[str] = set()
        for index, name in enumerate(self.names):
            for key, value in self.attributes(index).items():
                if key in _FORMULAS:
                    found |= literals(value)
                elif key == "table:source-field-name" or (
                    key == "table:value" and name.startswith("table:filter")
                ):
                    found.add(normalized(value))
        return frozenset(found - {""})


def _language_marks(reader: MarkupReader, options: ReadOptions) -> list[Edit]:
    """Return the changes of the languages, and of the directions, that styles declare."""
    if not options.tgt_lang:
        return []
    direction = direction_change(options)
    before, after = ("lr-tb", "rl-tb") if direction == "rtl" else ("rl-tb", "lr-tb")
    language, _, country = with_region(options.tgt_lang).partition("-")
    prefix, suffix = "fo:", ""
    if base_language(options.tgt_lang) in EAST_ASIAN:
        prefix, suffix = "style:", "-asian"
    elif is_right_to_left(options.tgt_lang):
        prefix, suffix = "style:", "-complex"
    wanted = {
        f"{prefix}language{suffix}": language,
        f"{prefix}country{suffix}": country or "none",
    }
    edits: list[Edit] = []
    for token in reader.tokens:
        for key, value in token.attributes.items():
            name = short_name(key)
            new = wanted.get(name, value)
            if name == "style:writing-mode" and direction and value == before:
                new = after
            span = value_span(reader.text, token, key) if new != value else None
            if span is not None and value not in ("none", "zxx", ""):
                edits.append(Edit(*span, new))
    return edits

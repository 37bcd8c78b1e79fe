"""Catalogs of GNU gettext (PO): untranslated entries get a translation, all else is kept."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rich.cells import cell_len

from mtkit.corpus.read.po_entries import (
    PluralForms,
    PoEntry,
    PoString,
    escape_po,
    header_fields,
    plain_po,
    plural_forms,
    read_entries,
    written_strings,
)
from mtkit.documents.exchange.format_directives import directive_pattern
from mtkit.documents.exchange.side_languages import is_known, refuse_other_languages
from mtkit.documents.exchange.units import NO_WORDS, Plain, SegmentReader, UnitDocument
from mtkit.documents.plurals import plural_rule
from mtkit.documents.segment import (
    TRANSLATED_ALREADY,
    Code,
    Edit,
    Protected,
    ReadOptions,
    Segment,
    Translated,
)
from mtkit.errors import MtkitError

_WIDTH = 80
"""Columns of a line that gettext writes."""
_LINE = re.compile(r"(?:(?!\\n)(?:\\.|[^\\]))*(?:\\n|$)")
_WORD = re.compile(r"(?:\\.|[^ \\])* *")
_EMPTY_LANGUAGE = re.compile(r"(?<![\w-])Language: *(?=\\n)")
_NO_PLURALS = "plural forms of the language unknown"


@dataclass
class PoDocument(UnitDocument):
    """A catalog."""

    options: ReadOptions = field(default_factory=ReadOptions)
    entries: list[tuple[PoEntry, list[int]]] = field(default_factory=list)
    """Entries to translate, and the index of the source of each of their plural forms."""
    patterns: list[re.Pattern[str] | None] = field(default_factory=list)
    """Format directives of each source."""
    header: PoEntry | None = None
    plurals: PluralForms | None = None
    new_plurals: str | None = None
    """Value of `Plural-Forms` if the header has none."""
    wraps: bool = True
    """Whether long lines are wrapped."""
    refused: set[int] = field(default_factory=set)
    """Sources whose translations cannot be written."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "PoDocument":
        """Read the entries without a translation.

        Raises:
            MtkitError: It is not a catalog, is damaged, or is in other languages than the model.
        """
        document = cls(text, options=options)
        _Reader(document).read()
        return document

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text with the escapes of strings in catalogs."""
        return escape_po(text)

    def fits(self, translated: Translated) -> bool:
        """Return whether a translation has the format directives of its source."""
        source = bisect_right(self.sources, translated.segment.begin, key=lambda one: one[0]) - 1
        pattern, segment = self.patterns[source], translated.segment
        if pattern is None:
            return True
        text = "".join(
            segment.text[piece.begin : piece.end] if isinstance(piece, Protected) else piece
            for piece in translated.pieces
            if not isinstance(piece, Code)
        )
        is_equal = Counter(pattern.findall(text)) == Counter(pattern.findall(segment.text))
        if not is_equal:
            self.refused.add(source)
        return is_equal

    def target_edits(self, contents: Mapping[int, str]) -> list[Edit]:
        """Return the changes that write translations, their flags, and the header."""
        edits: list[Edit] = []
        has_plurals = False
        for entry, sources in self.entries:
            if self.refused.intersection(sources) or not contents.keys() & set(sources):
                continue
            forms = [
                contents.get(source, self.text[slice(*self.sources[source])]) for source in sources
            ]
            edits.append(self._translation(entry, forms))
            edits += self._flags(entry)
            has_plurals |= entry.get("msgid_plural") is not None
        if edits and self.header is not None:
            edits += self._header_edits(self.header.translations[0], has_plurals)
        return edits

    def _translation(self, entry: PoEntry, forms: Sequence[str]) -> Edit:
        is_plural = entry.get("msgid_plural") is not None
        lines: list[str] = []
        for number, form in enumerate(forms):
            keyword = f"msgstr[{number}]" if is_plural else "msgstr"
            lines += _wrapped(keyword, written_strings(form), wraps=self.wraps)
        begin = self.text.rindex("\n", 0, entry.translations[0].begin) + 1
        return Edit(begin, entry.translations[-1].end, self._newline.join(lines))

    @cached_property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _flags(self, entry: PoEntry) -> list[Edit]:
        """Return the changes that mark a translation as a draft, or as final."""
        if self.options.is_final:
            if not entry.is_fuzzy:
                return []
            edits = [Edit(*span, "") for span in entry.previous_lines]
            for begin, end in entry.flag_lines:
                flags = [one.strip() for one in self.text[begin + 2 : end].split(",")]
                others = [one for one in flags if one and one != "fuzzy"]
                line = f"#, {', '.join(others)}{self._newline}" if others else ""
                edits.append(Edit(begin, end, line))
            return edits
        if entry.is_fuzzy:
            return []
        if entry.flag_lines:
            begin = self.text.index(",", entry.flag_lines[0][0]) + 1
            return [Edit(begin, begin, " fuzzy,")]
        begin = entry.previous_lines[0][0] if entry.previous_lines else entry.begin
        return [Edit(begin, begin, f"#, fuzzy{self._newline}")]

    def _header_edits(self, header: PoString, has_plurals: bool) -> list[Edit]:
        """Return the changes that fill in what a template leaves empty."""
        edits: list[Edit] = []
        for begin, text in header.parts:
            lang = self.options.tgt_lang.replace("-", "_")
            if is_known(lang) and (match := _EMPTY_LANGUAGE.search(text)):
                edits.append(Edit(begin + match.start(), begin + match.end(), f"Language: {lang}"))
            if (charset := text.find("charset=CHARSET")) >= 0:
                first = begin + charset + len("charset=")
                edits.append(Edit(first, first + len("CHARSET"), "UTF-8"))
            if has_plurals and self.new_plurals and text.startswith("Plural-Forms:"):
                edits.append(Edit(begin, begin + len(text), self._plural_line))
                has_plurals = False
        if has_plurals and self.new_plurals:
            line = f'{self._newline}"{self._plural_line}"'
            edits.append(Edit(header.end, header.end, line))
        return edits

    @property
    def _plural_line(self) -> str:
        return f"Plural-Forms: {self.new_plurals}\\n"


class _Reader:
    """Finds the entries of a catalog that are to be translated."""

    def __init__(self, document: PoDocument) -> None:
        self.document, self.options = document, document.options
        self.remarks: Counter[str] = Counter()
        self.seen: set[tuple[str | None, str]] = set()

    def read(self) -> None:
        """Add the segments to the document."""
        document = self.document
        lines = [f"{line}\n" for line in document.text.split("\n")]
        entries = list(read_entries(lines, self.options.name))
        for entry in entries:
            self._refuse_twice(entry)
            if entry.is_header and document.header is None:
                document.header = entry
                self._read_header(header_fields(entry))
        if document.plurals is None and (rule := plural_rule(self.options.tgt_lang)):
            document.new_plurals = rule.gettext_header
            document.plurals = plural_forms({"plural-forms": rule.gettext_header})
        parts = [text for entry in entries for one in entry.strings for _, text in one.parts]
        document.wraps = not any(cell_len(text) >= _WIDTH and " " in text.strip() for text in parts)
        for entry in entries:
            if not entry.is_header:
                self._read_entry(entry)
        document.remarks = {name: n for name, n in self.remarks.items() if n}

    def _refuse_twice(self, entry: PoEntry) -> None:
        context = entry.get("msgctxt")
        key = context.text if context else None, entry.msgid.text
        if key in self.seen:
            raise MtkitError(
                f"`{self.options.name}`: line {entry.line:,}: the message is defined twice",
                "`msguniq` merges such entries",
            )
        self.seen.add(key)

    def _read_header(self, fields: Mapping[str, str]) -> None:
        refuse_other_languages(
            fields.get("x-source-language", ""), fields.get("language", ""), self.options
        )
        try:
            self.document.plurals = plural_forms(fields)
        except ValueError as exc:
            raise MtkitError(
                f"`{self.options.name}`: Plural-Forms in the header is not valid: {exc}",
                "write it as in `nplurals=2; plural=(n != 1);`",
            ) from exc

    def _read_entry(self, entry: PoEntry) -> None:
        document = self.document
        is_translated = any(one.text for one in entry.translations)
        if is_translated and not (entry.is_fuzzy and self.options.with_fuzzy):
            self.remarks[TRANSLATED_ALREADY] += 1
            return
        plural = entry.get("msgid_plural")
        if plural is not None and document.plurals is None:
            self.remarks[_NO_PLURALS] += 1
            return
        pattern = directive_pattern(entry.flags)
        first = len(document.sources)
        n_segments = 0
        for string in filter(None, (entry.msgid, plural)):
            reader = SegmentReader(document.text, keeps_lines=True, copied=pattern)
            reader.add_plain(Plain(*plain_po(string)))
            reader.flush()
            document.segments += reader.segments
            n_segments += len(reader.segments)
            document.sources.append((string.begin, string.end))
            document.patterns.append(pattern)
        if not n_segments:
            self.remarks[NO_WORDS] += 1
        sources = [first] if plural is None else self._plural_sources(entry, first, pattern)
        document.entries.append((entry, sources))

    def _plural_sources(
        self, entry: PoEntry, first: int, pattern: re.Pattern[str] | None
    ) -> list[int]:
        """Return the source of each plural form: `msgid` for the singular, `msgid_plural` else.

        A form of several numbers, such as 1, 21 and 31, needs the directives of `msgid_plural`.
        """
        plurals, plural = self.document.plurals, entry.get("msgid_plural")
        assert plurals is not None and plural is not None
        both = [
            Counter(pattern.findall(one.text)) if pattern else None for one in (entry.msgid, plural)
        ]
        return [
            first
            if plurals.is_only_for_one(form) or (plurals.is_singular(form) and both[0] == both[1])
            else first + 1
            for form in range(plurals.n_forms)
        ]


def _wrapped(keyword: str, text: str, *, wraps: bool) -> list[str]:
    """Return the lines of a string as gettext writes them.

    Args:
        keyword: Keyword before the string.
        text: The string with escapes.
        wraps: Whether lines are limited to `_WIDTH` columns.
    """
    lines = [line for line in _LINE.findall(text) if line]
    is_short = not wraps or cell_len(keyword) + cell_len(text) + 3 < _WIDTH
    if len(lines) <= 1 and is_short:
        return [f'{keyword} "{text}"']
    result = [f'{keyword} ""']
    for line in lines:
        part = ""
        for word in filter(None, _WORD.findall(line)):
            if wraps and part and cell_len(part + word) + 2 >= _WIDTH:
                result.append(f'"{part}"')
                part = ""
            part += word
        result.append(f'"{part}"')
    return result

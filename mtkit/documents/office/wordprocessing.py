"""WordprocessingML: the parts of a docx document with text (ISO/IEC 29500-1, clause 17)."""

from dataclasses import dataclass

from mtkit.documents.office.run_reader import RunReader, Vocabulary

VOCABULARY = Vocabulary(
    paragraph="w:p",
    run="w:r",
    properties="w:rPr",
    text="w:t",
    wrappers=frozenset(
        "w:hyperlink w:ins w:moveTo w:smartTag w:customXml w:dir w:bdo w:fldSimple".split()
    ),
    dropped=frozenset(("w:proofErr", "w:lastRenderedPageBreak")),
    breaks=frozenset(("w:br", "w:cr", "w:tab", "w:ptab")),
    skipped=frozenset(("w:del", "w:moveFrom")),
    ignored=frozenset(("w:lang", "w:noProof")),
    described=frozenset(("wp:docPr",)),
)
BOUND, FIELDS_KEPT, RUBY = (
    "texts bound to data kept",
    "fields kept",
    "texts with ruby annotations kept",
)
"""Remarks on text that is not translated."""
_TRANSLATED_FIELDS = frozenset("HYPERLINK REF TOC FORMTEXT".split())
"""Fields whose result is text of the document: links, cross-references, tables of contents."""
_CONTROLS = frozenset(("w:dropDownList", "w:comboBox", "w:date"))
"""Content controls whose text is a value."""


@dataclass
class _Field:
    """A field; each place is a pair of token indices: its run, and the tag in it."""

    begin: tuple[int, int]
    separate: tuple[int, int] | None = None
    end: tuple[int, int] = (0, 0)
    instruction: str = ""


class WordReader(RunReader):
    """Collects the segments of a part of a docx document."""

    def __init__(self, text: str, where: str) -> None:
        super().__init__(text, where, VOCABULARY)
        self.fields: dict[int, _Field] = {}
        """Fields by the index of the run that they begin in."""
        self.field_ends: set[int] = set()
        """Indices of the runs that end a field whose result is translated."""
        self.kept_until = 0
        """Index of the first token after a field that is kept."""
        self.paragraph_end = 0
        self._find_fields()

    def is_kept(self, index: int) -> bool:
        """Return whether an element is in a field that is kept, or is bound to data."""
        if index < self.kept_until:
            return True
        if not self.is_start(index, "w:sdt"):
            return False
        content = self._content_of_control(index)
        is_bound = "w:dataBinding" in self.names[index:content]
        if is_bound and self.text_between(index, self.ends[index]):
            self.remark(BOUND)
        return is_bound

    def read_paragraph(self, index: int) -> None:
        """Read the segments of a paragraph."""
        self.paragraph_end = self.ends[index]
        super().read_paragraph(index)

    def read_token(self, index: int) -> int:
        """Read a token within a paragraph, and return the index of the next one."""
        token, name = self.tokens[index], self.names[index]
        if index < self.kept_until:
            return super().read_token(index)
        if token.kind == "end" and name == "w:sdtContent":
            last = self.names.index("w:sdt", index)
            self.collector.add("close", token.begin, self.tokens[last].end)
            return last + 1
        if token.kind == "start" and index in self.fields:
            return self._read_field(index, self.fields[index])
        if token.kind == "start" and index in self.field_ends:
            self.collector.add("close", token.begin, self.tokens[self.ends[index]].end)
            return self.ends[index] + 1
        if self.is_start(index, "w:fldSimple") and not _is_translated(
            self.attributes(index).get("w:instr", "")
        ):
            self.add_field(token.begin, self.tokens[self.ends[index]].end, self.content(index))
            return self.ends[index] + 1
        if token.kind == "start" and name == "w:sdt":
            if self.is_kept(index):
                self.flush()
                return self.ends[index] + 1
            return self._read_control(index)
        if name == "w:ruby" and token.kind == "start":
            self.remark(RUBY)
        return super().read_token(index)

    def _content_of_control(self, index: int) -> int:
        """Return the index of the content of a control; if it has none, of its end."""
        end = self.ends[index]
        found = (i for i in range(index, end) if self.is_start(i, "w:sdtContent"))
        return next(found, end)

    def _read_control(self, index: int) -> int:
        """Read a content control within a paragraph."""
        token, end = self.tokens[index], self.ends[index]
        content = self._content_of_control(index)
        if content == end or self.tokens[content].kind == "empty":
            self.add_element(index)
            return end + 1
        if _CONTROLS.intersection(self.names[index:content]):
            self.add_field(token.begin, self.tokens[end].end, self.content(index))
            return end + 1
        self.collector.add("open", token.begin, self.tokens[content].end)
        return content + 1

    def _read_field(self, index: int, field: _Field) -> int:
        """Read a field, and return the index of the token after what was read."""
        token = self.tokens[index]
        is_regular = self._is_regular(field)
        end_run = field.end[0]
        if is_regular and field.separate is not None and _is_translated(field.instruction):
            last = self.ends[field.separate[0]]
            self.collector.add("open", token.begin, self.tokens[last].end)
            self.field_ends.add(end_run)
            return last + 1
        last = self.ends[end_run]
        if is_regular and last < self.paragraph_end:
            first = field.separate[0] if field.separate else last
            text = self.text_between(first, last)
            self.add_field(token.begin, self.tokens[last].end, text)
            return last + 1
        self.flush()
        if self.text_between(index, last):
            self.remark(FIELDS_KEPT)
        self.kept_until = last + 1
        return index + 1

    def _is_regular(self, field: _Field) -> bool:
        """Return whether the parts of a field are whole runs."""
        if not self._is_first(*field.begin) or not self._is_first(*field.end):
            return False
        ends = [field.end] if field.separate is None else [field.end, field.separate]
        return all(self.ends[run] == self._next(self.ends[tag]) for run, tag in ends)

    def _is_first(self, run: int, tag: int) -> bool:
        """Return whether a tag is the first one in its run after the properties."""
        index = self._next(run)
        if self.is_start(index, "w:rPr"):
            index = self._next(self.ends[index])
        return index == tag

    def _next(self, index: int) -> int:
        """Return the index of the next token that is not white space."""
        index += 1
        while self.tokens[index].kind == "text":
            index += 1
        return index

    def _find_fields(self) -> None:
        run = 0
        open_fields: list[_Field] = []
        for index, name in enumerate(self.names):
            if not self.is_start(index, "w:r", "w:fldChar", "w:instrText"):
                continue
            if name == "w:r":
                run = index
            elif name == "w:instrText":
                if open_fields and open_fields[-1].separate is None:
                    part = self.tokens[index + 1]
                    open_fields[-1].instruction += self.text[part.begin : part.end]
            elif self.attributes(index).get("w:fldCharType", "") == "begin":
                open_fields.append(_Field((run, index)))
            elif open_fields and self.attributes(index).get("w:fldCharType", "") == "separate":
                open_fields[-1].separate = run, index
            elif open_fields:
                field = open_fields.pop()
                field.end = run, index
                self.fields[field.begin[0]] = field


def _is_translated(instruction: str) -> bool:
    return (instruction.split() or [""])[0].upper() in _TRANSLATED_FIELDS

"""Reads the paragraphs of WordprocessingML, DrawingML and SpreadsheetML."""

import re
from typing import NamedTuple

from mtkit.documents.collector import has_words
from mtkit.documents.office.part_reader import PartReader
from mtkit.documents.office.run_collector import RunCollector
from mtkit.documents.office.runs import Run, RunDocument
from mtkit.documents.segment import Segment
from mtkit.documents.xml_tokens import (
    XML_NAMESPACE,
    Token,
    unescape,
    value_span,
)

_TAG_NAME = re.compile(r"<([^\s/>]+)")
_FILE_NAME = re.compile(r"\S+\.\w{2,4}|\w+:[\\/].*")
_LINE_END = re.compile(r"(?:\r\n?|\n|&#(?:10|[xX]0*[aA]);)")


class Vocabulary(NamedTuple):
    """Names of the elements of a markup language with runs."""

    paragraph: str
    run: str
    properties: str
    text: str
    wrappers: frozenset[str] = frozenset()
    """Elements around runs, which are pairs of codes."""
    dropped: frozenset[str] = frozenset()
    """Elements without meaning, which a translation does not keep."""
    breaks: frozenset[str] = frozenset()
    """Elements that end a segment."""
    fields: frozenset[str] = frozenset()
    """Elements whose text is copied."""
    skipped: frozenset[str] = frozenset()
    """Elements around paragraphs that are not translated."""
    ignored: frozenset[str] = frozenset()
    """Properties, or attributes of properties, that are not formatting."""
    described: frozenset[str] = frozenset()
    """Elements with attributes of alternative text."""
    keeps_space: bool = True
    """See `RunDocument`."""
    splits_lines: bool = False
    """Whether a line feed ends a segment."""


class RunReader(PartReader):
    """Collects the segments of a part of an office document.

    Args:
        text: The part.
        where: Its name in errors.
        vocabulary: Names of its elements.
    """

    def __init__(self, text: str, where: str, vocabulary: Vocabulary) -> None:
        super().__init__(RunDocument(text, keeps_space=vocabulary.keeps_space), where)
        self.vocabulary = vocabulary
        self.collector = RunCollector(text)
        self.run: Run | None = None
        self.n_contents = 0
        """Number of things in the run after its properties."""

    def scan(self, index: int) -> int:
        """Read a token outside paragraphs, and return the index of the next one."""
        name, token = self.names[index], self.tokens[index]
        if token.kind not in ("start", "empty"):
            return index + 1
        if name in self.vocabulary.skipped or self.is_kept(index):
            return self.ends[index] + 1
        if name == self.vocabulary.paragraph:
            self.read_paragraph(index)
            return self.ends[index] + 1
        if name in self.vocabulary.described:
            self._read_description(token)
        return index + 1

    def is_kept(self, index: int) -> bool:
        """Return whether an element is not translated."""
        return False

    def read_paragraph(self, index: int) -> None:
        """Read the segments of a paragraph."""
        end = self.ends[index]
        index += 1
        while index < end:
            index = self.read_token(index)
        self.flush()

    def read_token(self, index: int) -> int:
        """Read a token within a paragraph, and return the index of the next one."""
        token, name, words = self.tokens[index], self.names[index], self.vocabulary
        if token.kind == "end":
            if name == words.run and self.run is not None:
                self.collector.mark_last(self.run, token.end)
                self.run = None
            elif name in words.wrappers:
                self.collector.add("close", token.begin, token.end)
            return index + 1
        if token.kind not in ("start", "empty"):
            return index + 1
        if self.is_kept(index):
            self.flush()
            return self.ends[index] + 1
        last = self.tokens[self.ends[index]].end
        if name == words.run and token.kind == "start":
            return self._begin_run(index)
        if name == words.text:
            return self._read_text(index)
        if name in words.breaks:
            self.flush()
            self.n_contents += 1
        elif name in words.fields:
            self.add_field(token.begin, last, self.content(index))
        elif name in words.wrappers and token.kind == "start":
            return self._open_wrapper(index)
        elif name not in words.dropped:
            self.add_element(index)
        return self.ends[index] + 1

    def content(self, index: int) -> str:
        """Return the text of an element, with white space collapsed."""
        return self.text_between(index, self.ends[index])

    def text_between(self, first: int, last: int) -> str:
        """Return the text between two tokens, with white space collapsed."""
        texts = (
            self.text[self.tokens[i + 1].begin : self.tokens[i + 1].end]
            for i in range(first, last)
            if self.names[i] == self.vocabulary.text and self.tokens[i + 1].kind == "text"
        )
        return " ".join(unescape("".join(texts)).split())

    def add_field(self, begin: int, end: int, text: str) -> None:
        """Add something between runs that is copied, and its text."""
        self.collector.add("protected" if text else "element", begin, end, text)

    def add_element(self, index: int) -> None:
        """Add an element that is copied; paragraphs in it are read later."""
        last = self.ends[index]
        begin, end = self.tokens[index].begin, self.tokens[last].end
        kind = "inline" if self.run is not None else "element"
        self.collector.add(kind, begin, end, run=self.run)
        self.n_contents += 1
        self.pending.append((index, last))

    def flush(self) -> None:
        """End the current segment."""
        self.document.segments += self.collector.segments()
        self.collector = RunCollector(self.text)

    def _begin_run(self, index: int) -> int:
        """Read the properties of a run, and return the index of the token after them."""
        begin = self.tokens[index].begin
        content = index + 1
        while self.tokens[content].kind == "text":  # indentation
            content += 1
        key = ""
        if self.is_start(content, self.vocabulary.properties):
            key = self._format_key(content)
            content = self.ends[content] + 1
        else:
            content = index + 1
        tag_name = self._raw_name(self.tokens[index])
        text_tag = tag_name[: tag_name.find(":") + 1] + self.vocabulary.text.split(":")[1]
        head_end = self.tokens[content - 1].end
        self.run = Run(begin, head_end, key, f"</{tag_name}>", text_tag)
        self.n_contents = 0
        return content

    def _raw_name(self, token: Token) -> str:
        match = _TAG_NAME.match(self.text, token.begin)
        assert match is not None
        return match[1]

    def _format_key(self, index: int) -> str:
        """Return the formatting of properties as a text."""
        ignored = self.vocabulary.ignored
        parts = [
            f"{name}={value}"
            for name, value in sorted(self.tokens[index].attributes.items())
            if name not in ignored
        ]
        end = self.ends[index]
        index += 1
        while index < end:
            if self.names[index] in ignored:
                index = self.ends[index] + 1
                continue
            token = self.tokens[index]
            parts.append(self.text[token.begin : token.end].strip())
            index += 1
        return "".join(parts)

    def _read_text(self, index: int) -> int:
        """Read the element of a text, and return the index of the next token."""
        token, last = self.tokens[index], self.ends[index]
        if any(part.kind in ("start", "empty") for part in self.tokens[index + 1 : last]):
            self.add_element(index)  # no program writes elements there
            return last + 1
        run = self.run
        if run is None:  # a text that is not in a run, as in a cell
            run = Run(token.begin, token.begin, "", "", self._raw_name(token))
        keeps = token.attributes.get(f"{XML_NAMESPACE}space") == "preserve"
        tag = None if keeps or token.kind == "empty" else (token.begin, token.end)
        for part in self.tokens[index + 1 : last]:
            if part.kind == "text":
                self._read_lines(run, part, tag)
            elif part.kind == "cdata":
                self.remark("texts in CDATA sections kept")
                self.flush()
            self.n_contents += 1
        return last + 1

    def _read_lines(self, run: Run, token: Token, tag: tuple[int, int] | None) -> None:
        begin = token.begin
        is_first = self.n_contents == 0 and self.run is not None
        ends = _LINE_END.finditer(self.text, token.begin, token.end)
        for line_end in ends if self.vocabulary.splits_lines else ():
            self.collector.add_text(run, begin, line_end.start(), tag, is_first=is_first)
            self.flush()
            begin, is_first = line_end.end(), False
        self.collector.add_text(run, begin, token.end, tag, is_first=is_first)

    def _open_wrapper(self, index: int) -> int:
        """Read the start tag of an element around runs, and return the index of the next token."""
        begin, content = self.tokens[index].begin, index + 1
        if content < self.ends[index] and self.names[content].endswith("Pr"):
            content = self.ends[content] + 1
        self.collector.add("open", begin, self.tokens[content - 1].end)
        return content

    def _read_description(self, token: Token) -> None:
        """Read the attributes of alternative text."""
        for name in ("descr", "title"):
            span = value_span(self.text, token, name)
            text = " ".join(token.attributes.get(name, "").split())
            if span is not None and has_words(text) and not _FILE_NAME.fullmatch(text):
                self.document.segments.append(Segment(text, *span, is_attribute=True))

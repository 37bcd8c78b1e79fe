"""Texts of programs, as in localization files: lines, tags, references and ICU messages."""

import re
from collections import Counter
from dataclasses import dataclass

from mtkit.documents.collector import Collector
from mtkit.documents.html import VOID
from mtkit.documents.icu import Message, escape_icu, parse_icu
from mtkit.documents.plurals import plural_rule
from mtkit.documents.segment import Document, Segment

_LINE = re.compile(r"[^\r\n]+")
_INLINE = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][\w:.-]{0,40}|\d{1,4})(?=[\s/>])[^<>]{0,500}>"
    r"|(?P<copied>&\#?\w{1,31};|\$t\([^()\n]{0,100}\)|@:\(?[\w.]{1,100}\)?)"
)
"""Tags; character references; references of i18next and Vue to other texts."""


@dataclass(frozen=True)
class _IcuSegment(Segment):
    """Plain text of an ICU message or of one of its branches."""

    is_plural: bool = False
    """Whether `#` stands for a number."""
    doubles_apostrophes: bool = False


@dataclass
class MessageDocument(Document):
    """A document whose text consists of messages.

    Each line of a message is a segment. In an ICU message, an argument with branches is `{name}`
    for the model, and the text of each branch is a segment of its own.
    """

    def add_message(self, begin: int, end: int, tgt_lang: str = "") -> None:
        """Add the segments of a message.

        Args:
            begin: First character of the message in the text of the document.
            end: Character after the last one.
            tgt_lang: Language code of the translation. Plural categories that it needs and the
                message lacks are counted in the remarks.
        """
        if message := parse_icu(self.text, begin, end):
            missing = Counter(_missing_categories(message, tgt_lang))
            self.remarks = dict(Counter(self.remarks) + missing)
            self._add_icu(message, doubles_apostrophes="''" in self.text[begin:end])
            return
        for line in _LINE.finditer(self.text, begin, end):
            collector = Collector(self.text, has_entities=False)
            _collect(collector, *line.span())
            if segment := collector.segment():
                self.segments.append(segment)

    def _add_icu(self, message: Message, *, doubles_apostrophes: bool) -> None:
        collector = Collector(self.text, has_entities=False)
        begin = message.begin
        for item in message.items:
            _collect(collector, begin, item.begin)
            if item.is_literal:
                collector.add_whole(item.text, item.begin, item.end)
            else:
                collector.add_protected(item.begin, item.end, item.text)
            begin = item.end
        _collect(collector, begin, message.end)
        if segment := collector.segment():
            self.segments.append(
                _IcuSegment(
                    **vars(segment),
                    is_plural=message.is_plural,
                    doubles_apostrophes=doubles_apostrophes,
                )
            )
        for item in message.items:
            for branch in item.branches:
                self._add_icu(branch.message, doubles_apostrophes=doubles_apostrophes)

    def escape(self, text: str, segment: Segment) -> str:
        """Return a text with quotes around the syntax of ICU messages, if it is in one."""
        if not isinstance(segment, _IcuSegment):
            return text
        return escape_icu(
            text,
            is_plural=segment.is_plural,
            doubles_apostrophes=segment.doubles_apostrophes,
        )


def _collect(collector: Collector, begin: int, end: int) -> None:
    """Add a plain text with tags."""
    for match in _INLINE.finditer(collector.document, begin, end):
        collector.add_text(begin, match.start())
        begin = match.end()
        if match["copied"]:
            collector.add_protected(*match.span(), match.group())
        else:
            is_pair = match["name"].lower() not in VOID and not match.group().endswith("/>")
            collector.add_code(*match.span(), match["end"] + match["name"] if is_pair else "")
    collector.add_text(begin, end)


def _missing_categories(message: Message, language: str) -> list[str]:
    """Return a remark for each plural that lacks categories of a language."""
    rule = plural_rule(language)
    if rule is None:
        return []
    remarks: list[str] = []
    for item in message.items:
        if item.kind == "plural":
            given = {branch.selector for branch in item.branches}
            if missing := [name for name in rule.categories if name not in given]:
                remarks.append(f"plural without the form {', '.join(missing)}")
        for branch in item.branches:
            remarks += _missing_categories(branch.message, language)
    return remarks

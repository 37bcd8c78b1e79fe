"""XLIFF 1.2 and 2.x: units without a translation get one, all else is kept.

OASIS Standards: XLIFF 1.2 (2008), XLIFF 2.1 (2018). Tools such as Trados Studio, memoQ and Phrase
write XLIFF 1.2 with elements of their own, which are copied.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mtkit.documents.exchange.inline_codes import InlineReader, XmlUnitDocument, line_before
from mtkit.documents.exchange.side_languages import new_target_lang, refuse_other_languages
from mtkit.documents.exchange.units import NO_WORDS
from mtkit.documents.segment import TRANSLATED_ALREADY, Edit, ReadOptions
from mtkit.documents.xml_tokens import (
    XML_NAMESPACE,
    Token,
    child_elements,
    escape,
    local_name,
    matching_ends,
    tag_name,
    tokenize,
    with_attributes,
)
from mtkit.errors import MtkitError

_NAMESPACE = re.compile(r"\{urn:oasis:names:tc:xliff:document:([12])\.\d\}xliff")
_CONTAINERS = frozenset("file body group unit".split())
_TO_TRANSLATE = frozenset("new needs-translation initial".split())
"""States of targets that are not translations yet, such as copies of the source."""
_FINISHED = frozenset("final signed-off".split())
_SPACE = f"{XML_NAMESPACE}space"
_LANGUAGES = {1: ("source-language", "target-language"), 2: ("srcLang", "trgLang")}
"""Attributes of `file` in version 1, and of `xliff` in version 2."""


class _Scope(NamedTuple):
    """Properties that an element inherits."""

    language: int
    """Index of the tag that names the languages."""
    translate: bool = True
    keeps_space: bool = False


class _Unit(NamedTuple):
    """A source, and the place of its target. All are indices of start tags."""

    language: int
    owner: int
    """The `trans-unit` or `segment`."""
    source: int
    target: int | None
    """Target without a translation; None if there is none."""
    after: int
    """The element that a new target follows."""


@dataclass
class XliffDocument(XmlUnitDocument):
    """A file of XLIFF."""

    version: int = 1
    options: ReadOptions = field(default_factory=ReadOptions)
    units: list[_Unit] = field(default_factory=list)
    """For each source, its unit."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "XliffDocument":
        """Read the units that have no translation.

        Raises:
            MtkitError: It is not XLIFF, is damaged, or is in other languages than the model.
        """
        document = cls(text, options=options)
        document.tokens = tokenize(text, options.name)
        document.ends = matching_ends(document.tokens)
        _Reader(document).read()
        return document

    def target_edits(self, contents: Mapping[int, str]) -> list[Edit]:
        """Return the changes that write targets, their states, and the target language."""
        edits: list[Edit] = []
        languages: set[int] = set()
        for index, content in contents.items():
            unit = self.units[index]
            edits += self._edits_of_unit(unit, content)
            languages.add(unit.language)
        target_attribute = _LANGUAGES[self.version][1]
        for tag in languages:
            if not self.tokens[tag].attributes.get(target_attribute):
                lang = new_target_lang(self.options, target_attribute)
                edits.append(self._changed_tag(tag, {target_attribute: lang}))
        return edits

    def _edits_of_unit(self, unit: _Unit, content: str) -> list[Edit]:
        states: dict[str, str | None] = (
            {
                "state": "final" if self.options.is_final else "needs-review-translation",
                "state-qualifier": "mt-suggestion",
            }
            if self.version == 1
            else {"state": "final" if self.options.is_final else "translated", "subState": None}
        )
        of_target = states if self.version == 1 else {}
        edits = [] if self.version == 1 else [self._changed_tag(unit.owner, states)]
        source = self.tokens[unit.source]
        if unit.target is None:
            name = tag_name(self.text, source).removesuffix("source") + "target"
            if space := source.attributes.get(_SPACE):
                of_target = {"xml:space": space, **of_target}
            attributes = "".join(
                f' {key}="{escape(value or "", chr(34))}"' for key, value in of_target.items()
            )
            position = self.tokens[self.ends[unit.after]].end
            lead = line_before(self.text, self.tokens, unit.source)
            text = f"{lead}<{name}{attributes}>{content}</{name}>"
            return [*edits, Edit(position, position, text)]
        target = self.tokens[unit.target]
        name = tag_name(self.text, target)
        tag = with_attributes(self.text, target, of_target)
        tag = tag.removesuffix("/>").removesuffix(">") + ">"
        end = self.tokens[self.ends[unit.target]].end
        return [*edits, Edit(target.begin, end, f"{tag}{content}</{name}>")]

    def _changed_tag(self, index: int, values: Mapping[str, str | None]) -> Edit:
        token = self.tokens[index]
        return Edit(token.begin, token.end, with_attributes(self.text, token, values))


class _Reader:
    """Finds the units of a document."""

    def __init__(self, document: XliffDocument) -> None:
        self.document, self.options = document, document.options
        self.tokens, self.ends = document.tokens, document.ends
        self.inline = InlineReader(document.text, self.tokens, self.ends)
        self.ids: set[str] = set()
        """Identifiers of the units of a file."""
        self.n_translated = self.n_without_words = 0

    def read(self) -> None:
        """Add the segments to the document."""
        root = next(i for i, token in enumerate(self.tokens) if token.kind in ("start", "empty"))
        token = self.tokens[root]
        namespace = _NAMESPACE.fullmatch(token.name)
        if namespace is None and token.name != "xliff":
            raise MtkitError(
                f"`{self.options.name}`: not XLIFF: it begins with <{local_name(token)}>, not "
                "<xliff>",
                "check the file, or name its format",
            )
        version = namespace[1] if namespace else token.attributes.get("version", "1")
        self.document.version = 2 if version.startswith("2") else 1
        if self.document.version == 2:
            self._check_languages(token)
        self._read_children(root, self._scope(root, _Scope(root)))
        counts = {TRANSLATED_ALREADY: self.n_translated, NO_WORDS: self.n_without_words}
        self.document.remarks = {name: n for name, n in counts.items() if n}

    def _check_languages(self, token: Token) -> None:
        src, tgt = (token.attributes.get(name, "") for name in _LANGUAGES[self.document.version])
        refuse_other_languages(src, tgt, self.options)

    def _scope(self, index: int, scope: _Scope) -> _Scope:
        attributes = self.tokens[index].attributes
        return scope._replace(
            translate=attributes.get("translate", "yes" if scope.translate else "no") != "no",
            keeps_space=attributes.get(_SPACE, "preserve" if scope.keeps_space else "")
            == "preserve",
        )

    def _read_children(self, index: int, outer: _Scope) -> None:
        for child in child_elements(self.tokens, self.ends, index):
            token = self.tokens[child]
            name, scope = local_name(token), self._scope(child, outer)
            if name == "file":
                self.ids.clear()
                if self.document.version == 1:
                    self._check_languages(token)
                    scope = scope._replace(language=child)
            if name in ("unit", "trans-unit"):
                self._check_id(token)
            if name in ("trans-unit", "segment"):
                self._read_unit(child, scope)
            elif name in _CONTAINERS:
                self._read_children(child, scope)

    def _check_id(self, token: Token) -> None:
        key = token.attributes.get("id")
        if key is None:
            return
        if key in self.ids:
            line = self.document.text.count("\n", 0, token.begin) + 1
            raise MtkitError(
                f"`{self.options.name}`: line {line:,}: a second unit has the id {key[:40]}",
                "give each unit of a <file> an id of its own",
            )
        self.ids.add(key)

    def _read_unit(self, index: int, scope: _Scope) -> None:
        parts: dict[str, int] = {}
        for child in child_elements(self.tokens, self.ends, index):
            parts.setdefault(local_name(self.tokens[child]), child)
        source = parts.get("source")
        if source is None or not scope.translate:
            return
        content = after = parts.get("seg-source", source)
        target = parts.get("target")
        keeps_lines = self._scope(content, self._scope(source, scope)).keeps_space
        segments = self.inline.read(content, keeps_lines=keeps_lines)
        is_translated = self._is_translated(self.tokens[index], target)
        if is_translated or not segments:
            self.n_translated += is_translated and bool(segments)
            self.n_without_words += not is_translated
            return
        self.document.segments += segments
        begin, end = self.tokens[content].end, self.tokens[self.ends[content]].begin
        self.document.sources.append((begin, end))
        self.document.units.append(_Unit(scope.language, index, source, target, after))

    def _is_translated(self, owner: Token, target: int | None) -> bool:
        if owner.attributes.get("approved") == "yes":
            return True
        state_tag = owner
        if self.document.version == 1 and target is not None:
            state_tag = self.tokens[target]
        state = state_tag.attributes.get("state")
        if target is not None and self.inline.has_text(target):
            return state not in _TO_TRANSLATE
        return state in _FINISHED

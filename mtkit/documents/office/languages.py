"""Marks of language and direction in office documents."""

import re

from mtkit.corpus.languages import base_language
from mtkit.documents.office.run_reader import RunReader
from mtkit.documents.segment import Edit, ReadOptions
from mtkit.documents.xml_tokens import escape

_RIGHT_TO_LEFT = frozenset("ar arc ckb dv fa he ks pa-Arab ps sd syr ug ur yi".split())
EAST_ASIAN = frozenset("ja ko zh yue".split())
"""Languages in scripts for which office programs have settings of their own."""
_REGIONS = {
    pair[:2]: pair[3:]
    for pair in (
        "ar-SA bg-BG ca-ES cs-CZ da-DK de-DE el-GR en-US es-ES et-EE fa-IR fi-FI fr-FR he-IL hi-IN"
        " hr-HR hu-HU id-ID it-IT ja-JP ko-KR lt-LT lv-LV nb-NO nl-NL pl-PL pt-PT ro-RO ru-RU"
        " sk-SK sl-SI sr-RS sv-SE th-TH tr-TR uk-UA ur-PK vi-VN zh-CN"
    ).split()
}
"""Usual region of a language, which office programs expect."""
_AFTER_RTL = ("cs", "em", "lang", "eastAsianLayout", "specVanish", "oMath", "rPrChange")
_AFTER_BIDI = (
    *("adjustRightInd", "snapToGrid", "spacing", "ind", "contextualSpacing", "mirrorIndents"),
    *("suppressOverlap", "jc", "textDirection", "textAlignment", "textboxTightWrap", "outlineLvl"),
    *("divId", "cnfStyle", "rPr", "sectPr", "pPrChange"),
)
"""Elements before which the schema wants the mark of the direction."""


def is_right_to_left(lang: str) -> bool:
    """Return whether a language is written from right to left."""
    return base_language(lang) in _RIGHT_TO_LEFT


def with_region(lang: str) -> str:
    """Return a language code with a region: de-DE for de."""
    lang = lang.replace("_", "-")
    region = _REGIONS.get(lang)
    return f"{lang}-{region}" if region else lang


def direction_change(options: ReadOptions) -> str:
    """Return `rtl` or `ltr` if the languages have different directions, else nothing."""
    if not options.src_lang or not options.tgt_lang:
        return ""
    before, after = map(is_right_to_left, options[:2])
    return "" if before == after else "rtl" if after else "ltr"


class _Tags:
    """Changes of tags of a part."""

    def __init__(self, reader: RunReader) -> None:
        self.reader = reader
        self.changed: dict[int, str] = {}

    def text(self, index: int) -> str:
        """Return a tag with the changes until now."""
        token = self.reader.tokens[index]
        return self.changed.get(index, self.reader.text[token.begin : token.end])

    def set_attribute(self, index: int, name: str, value: str) -> None:
        """Set an attribute, given with its prefix."""
        value = escape(value, '"')
        tag = self.text(index)
        new = re.sub(rf"""(\s{name}\s*=\s*)("[^"]*"|'[^']*')""", rf'\g<1>"{value}"', tag, count=1)
        if new == tag and f'{name}="{value}"' not in tag:
            new = re.sub(r"\s*(/?>)$", rf' {name}="{value}"\1', tag)
        self.changed[index] = new

    def prefix(self, index: int) -> str:
        """Return the prefix of an element, with the colon."""
        name = re.match(r"</?([^\s/>]+)", self.text(index))
        assert name is not None
        return name[1][: name[1].find(":") + 1]

    def remove(self, index: int) -> None:
        """Remove an empty tag."""
        self.changed[index] = ""

    def insert_child(
        self, parent: int, properties: str, child: str, after: tuple[str, ...]
    ) -> None:
        """Insert an empty element into the properties of an element, before some others.

        Args:
            parent: Index of the start tag of the element.
            properties: Name of the element of its properties, without prefix.
            child: Name of the element to insert.
            after: Names of the elements that have to follow it.
        """
        reader, prefix = self.reader, self.prefix(parent)
        new = f"<{prefix}{child}/>"
        index = parent + 1
        if not reader.is_start(index, f"w:{properties}"):
            tag = f"<{prefix}{properties}>{new}</{prefix}{properties}>"
            self.changed[parent] = self.text(parent) + tag
            return
        if reader.tokens[index].kind == "empty":
            self.changed[index] = f"<{prefix}{properties}>{new}</{prefix}{properties}>"
            return
        end = reader.ends[index]
        index += 1
        while index < end:
            name = reader.names[index].removeprefix("w:")
            if name == child:
                return
            if name in after and reader.tokens[index].kind != "end":
                break
            index = reader.ends[index] + 1
        self.changed[index] = new + self.text(index)

    def edits(self) -> list[Edit]:
        """Return the changes."""
        tokens = self.reader.tokens
        edits = [
            Edit(tokens[i].begin, tokens[i].end, text) for i, text in sorted(self.changed.items())
        ]
        return [one for one in edits if one.text != self.reader.text[one.begin : one.end]]


def mark_word(reader: RunReader, options: ReadOptions) -> None:
    """Mark a part of a docx document as text in the target language."""
    if not options.tgt_lang:
        return
    tags = _Tags(reader)
    lang, direction = base_language(options.tgt_lang), direction_change(options)
    attribute = "bidi" if is_right_to_left(lang) else "eastAsia" if lang in EAST_ASIAN else "val"
    for index, name in enumerate(reader.names):
        kind = reader.tokens[index].kind
        if kind == "end":
            continue
        if name == "w:lang":
            tags.set_attribute(index, tags.prefix(index) + attribute, with_region(options.tgt_lang))
        elif direction == "ltr" and name in ("w:rtl", "w:bidi", "w:bidiVisual"):
            tags.remove(index)
        elif direction == "rtl" and kind == "start" and name == "w:r":
            tags.insert_child(index, "rPr", "rtl", _AFTER_RTL)
        elif direction == "rtl" and kind == "start" and name == "w:p":
            tags.insert_child(index, "pPr", "bidi", _AFTER_BIDI)
    reader.document.marks += tags.edits()


def mark_drawing(reader: RunReader, options: ReadOptions) -> None:
    """Mark paragraphs in DrawingML as text in the target language."""
    if not options.tgt_lang:
        return
    tags = _Tags(reader)
    direction = direction_change(options)
    is_rtl = "1" if direction == "rtl" else "0"
    for index, name in enumerate(reader.names):
        kind = reader.tokens[index].kind
        if kind not in ("start", "empty"):
            continue
        if name in ("a:rPr", "a:endParaRPr"):
            tags.set_attribute(index, "lang", with_region(options.tgt_lang))
        elif direction and name in ("a:pPr", "a:tblPr"):
            tags.set_attribute(index, "rtl", is_rtl)
        elif (
            direction
            and name == "a:p"
            and kind == "start"
            and not reader.is_start(index + 1, "a:pPr")
        ):
            tags.changed[index] = f'{tags.text(index)}<{tags.prefix(index)}pPr rtl="{is_rtl}"/>'
    reader.document.marks += tags.edits()

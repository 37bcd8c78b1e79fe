"""TMX translation memories: units without the target language get a translation.

TMX 1.4b (LISA, 2005): a `tu` has a `tuv` for each language, which has one `seg`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mtkit.corpus.languages import is_variety_of, language_code
from mtkit.documents.exchange.inline_codes import InlineReader, XmlUnitDocument, line_before
from mtkit.documents.exchange.side_languages import is_known
from mtkit.documents.exchange.units import NO_WORDS
from mtkit.documents.segment import TRANSLATED_ALREADY, Edit, ReadOptions
from mtkit.documents.xml_tokens import (
    XML_NAMESPACE,
    Token,
    child_elements,
    escape,
    local_name,
    matching_ends,
    tokenize,
)
from mtkit.errors import MtkitError

_LANG = f"{XML_NAMESPACE}lang"
_NO_SOURCE = "units without the source language"


class _Unit(NamedTuple):
    """A source, by indices of start tags."""

    tuv: int
    seg: int
    last_tuv: int
    """The last `tuv` of the unit, which a new one follows."""


@dataclass
class TmxDocument(XmlUnitDocument):
    """A translation memory."""

    tgt_lang: str = ""
    """Code of the target language in the document."""
    units: list[_Unit] = field(default_factory=list)
    """For each source, its unit."""

    @classmethod
    def parse(cls, text: str, options: ReadOptions) -> "TmxDocument":
        """Read the units that lack the target language.

        Raises:
            MtkitError: It is not TMX, is damaged, or the languages are unknown.
        """
        document = cls(text)
        document.tokens = tokenize(text, options.name)
        document.ends = matching_ends(document.tokens)
        _Reader(document, options).read()
        return document

    def target_edits(self, contents: Mapping[int, str]) -> list[Edit]:
        """Return the changes that add segments in the target language."""
        edits: list[Edit] = []
        for index, content in contents.items():
            unit = self.units[index]
            attribute = "xml:lang" if _LANG in self.tokens[unit.tuv].attributes else "lang"
            leads = [
                line_before(self.text, self.tokens, tag)
                for tag in (unit.tuv, unit.seg, self.ends[unit.tuv])
            ]
            position = self.tokens[self.ends[unit.last_tuv]].end
            tag = f'<tuv {attribute}="{escape(self.tgt_lang, chr(34))}">'
            text = f"{leads[0]}{tag}{leads[1]}<seg>{content}</seg>{leads[2]}</tuv>"
            edits.append(Edit(position, position, text))
        return edits


class _Reader:
    """Finds the units of a document."""

    def __init__(self, document: TmxDocument, options: ReadOptions) -> None:
        self.document, self.options = document, options
        self.tokens, self.ends = document.tokens, document.ends
        self.inline = InlineReader(document.text, self.tokens, self.ends)
        self.targets: Counter[str] = Counter()
        """Codes of segments in the target language or a variety of it."""
        self.remarks: Counter[str] = Counter()

    def read(self) -> None:
        """Add the segments to the document."""
        root = next(i for i, token in enumerate(self.tokens) if token.kind in ("start", "empty"))
        if self.tokens[root].name != "tmx":
            raise MtkitError(
                f"`{self.options.name}`: not TMX: it begins with "
                f"<{local_name(self.tokens[root])}>, not <tmx>",
                "check the file, or name its format",
            )
        if not is_known(self.options.tgt_lang):
            raise self._unknown("target")
        src_lang = self.options.src_lang
        for child in child_elements(self.tokens, self.ends, root):
            token = self.tokens[child]
            if token.name == "header" and not is_known(src_lang):
                src_lang = token.attributes.get("srclang", "").replace("*all*", "")
            elif token.name == "body":
                for unit in child_elements(self.tokens, self.ends, child):
                    if self.tokens[unit].name == "tu":
                        self._read_unit(unit, src_lang)
        self.document.remarks = {name: n for name, n in self.remarks.items() if n}
        common = self.targets.most_common(1)
        self.document.tgt_lang = common[0][0] if common else self.options.tgt_lang

    def _read_unit(self, index: int, src_lang: str) -> None:
        variants = [
            tuv
            for tuv in child_elements(self.tokens, self.ends, index)
            if self.tokens[tuv].name == "tuv"
        ]
        langs = [_lang(self.tokens[tuv]) for tuv in variants]
        if not is_known(src_lang):
            src_lang = self.tokens[index].attributes.get("srclang", "").replace("*all*", "")
            if not is_known(src_lang):
                raise self._unknown("source")
        targets = [lang for lang in langs if _is_in(lang, self.options.tgt_lang)]
        self.targets.update(targets)
        source = _best(langs, src_lang)
        if source is None:
            self.remarks[_NO_SOURCE] += 1
            return
        tuv = variants[source]
        children = child_elements(self.tokens, self.ends, tuv)
        seg = next((one for one in children if self.tokens[one].name == "seg"), None)
        segments = self.inline.read(seg, keeps_lines=False) if seg is not None else []
        if seg is None or not segments:
            self.remarks[NO_WORDS] += not targets
            return
        if targets:
            self.remarks[TRANSLATED_ALREADY] += 1
            return
        self.document.segments += segments
        begin, end = self.tokens[seg].end, self.tokens[self.ends[seg]].begin
        self.document.sources.append((begin, end))
        self.document.units.append(_Unit(tuv, seg, variants[-1]))

    def _unknown(self, side: str) -> MtkitError:
        return MtkitError(
            f"`{self.options.name}`: the {side} language is unknown",
            "TMX contains many languages: use a model that names its own",
        )


def _lang(token: Token) -> str:
    return token.attributes.get(_LANG) or token.attributes.get("lang", "")


def _is_in(lang: str, wanted: str) -> bool:
    is_same = lang.replace("_", "-").lower() == wanted.replace("_", "-").lower()
    return is_same or is_variety_of(lang, wanted)


def _best(langs: list[str], wanted: str) -> int | None:
    """Return the index of the language that fits best; None if none does."""
    exact = wanted.replace("_", "-").lower()
    ranks = [
        3
        if lang.replace("_", "-").lower() == exact
        else 2
        if is_variety_of(lang, wanted)
        else 1
        if language_code(lang) is not None and language_code(lang) == language_code(wanted)
        else 0
        for lang in langs
    ]
    return ranks.index(max(ranks)) if any(ranks) else None

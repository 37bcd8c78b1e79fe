"""Read pairs from XLIFF 1.2 and 2.x, as a stream."""

from collections.abc import Iterator
from pathlib import Path

from mtkit.corpus.placeholders import PLACEHOLDER
from mtkit.corpus.read.directions import BilingualPairs
from mtkit.corpus.read.inline_codes import close_gaps, inline_text
from mtkit.corpus.read.xml_handler import XmlHandler, refuse_columns
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.io.text import read_blocks

_UNITS = frozenset(["trans-unit", "segment"])
_NO_TRANSLATION = frozenset(["new", "initial"])
_SHOWN = ("equiv-text", "equiv", "disp")
"""Attributes with the text that a code stands for."""


def xliff_pairs(path: Path, name: str, sides: SideSpecs) -> Iterator[SentencePair]:
    """Read the translated units of an XLIFF file; a line break within a text becomes a space.

    Inline codes are read as those of TMX. Units without a translation are skipped, as are those in
    a state such as `new` or `needs-review-translation`. If the source language is the target of
    the corpus, the pairs are turned around.

    Args:
        path: The file, which may be compressed.
        name: Name of the file in errors.
        sides: The languages.
    Raises:
        MtkitError: At the call: no such file, or the recipe specifies columns. While reading:
            broken XML, not XLIFF, entities, or no unit in the languages.
    """
    refuse_columns(sides, name, "XLIFF")
    blocks = read_blocks(path, what="the XLIFF corpus", name=name, is_xml=True)
    handler = _XliffHandler(name, sides)

    def pairs() -> Iterator[SentencePair]:
        yield from handler.read(blocks)
        handler.units.finish()

    return pairs()


class _XliffHandler(XmlHandler):
    """Makes pairs from the units of a file."""

    def __init__(self, name: str, sides: SideSpecs) -> None:
        super().__init__(name, sides, "xliff")
        self.units = BilingualPairs(name, sides)
        self.langs = "", ""
        self.open: list[str] = []
        """Names of the open elements."""
        self.state = ""
        self.texts: dict[str, str] = {}
        """Source and target of the current unit."""
        self.side = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name in ("xliff", "file"):
            src, tgt = self.langs
            src = attributes.get("source-language") or attributes.get("srcLang") or src
            tgt = attributes.get("target-language") or attributes.get("trgLang") or tgt
            if name == "xliff":
                self.langs = src, tgt
            self.units.set_languages(src, tgt)
        elif name in _UNITS:
            self.state, self.texts = attributes.get("state", ""), {}
        elif name in ("source", "target") and self.open[-1] in _UNITS:
            if name == "target":
                self.state = attributes.get("state") or self.state
            self.side = name
            self.begin_text()
            return
        self.open.append(name)

    def end(self, tag: str) -> None:
        name = self.open.pop()
        if name not in _UNITS or not self.texts.get("source", "").strip():
            return
        if not self.texts.get("target", "").strip() or self.state in _NO_TRANSLATION:
            self.units.skip("without a translation")
        elif self.state.startswith("needs-"):
            self.units.skip("to be reviewed")
        elif pair := self.units.pair(self.texts["source"], self.texts["target"]):
            self.pairs.append(pair)

    def end_text(self, text: str) -> None:
        lang = self.units.langs[(self.side == "target") != self.units.is_reversed]
        self.texts[self.side] = close_gaps(text, lang)

    def inline_text(self, tag: str, attributes: dict[str, str], content: str) -> str:
        shown = [attributes[name] for name in _SHOWN if name in attributes]
        placeholder = next((one for one in shown if PLACEHOLDER.fullmatch(one)), None)
        return placeholder or inline_text(tag.rpartition(":")[2], content)

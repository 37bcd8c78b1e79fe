"""Read pairs from TMX, the translation memory format, as a stream.

TMX 1.4b (2005): <tu> holds a <tuv> for each language, and that one <seg>. Nothing that the file only points at is read: no DTD, no entity.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from xml.parsers import expat

from mtkit.corpus.columns import one_line
from mtkit.corpus.pairs import SentencePair, Side
from mtkit.errors import MtkitError
from mtkit.files import read_blocks
from mtkit.logs import get_logger

logger = get_logger(__name__)

_CODES = frozenset(["bpt", "ept", "ph", "it", "ut"])
"""Inline elements that hold another program's markup, not text."""
_MAX_NAMED = 20
"""Languages that an error names."""


def tmx_pairs(path: Path, name: str, sides: tuple[Side, Side]) -> Iterator[SentencePair]:
    """Read the pairs of a TMX file; a line break within a text becomes a space, markup within it is left out.

    A language is a <tuv>'s `xml:lang` or `lang` without regard to case; where none is `en`, the first of `en-US`, `en-GB` and so on is taken. Units
    that lack one of the two are skipped, and counted in the log.

    Args:
        path: The file, which may be packed.
        name: What errors call it.
        sides: The languages.
    Raises:
        MtkitError: At the call: no such file, or the recipe names columns. While reading: broken XML, no TMX, entities, no pair in the languages.
    """
    for side in sides:
        if side.column is not None:
            raise MtkitError(f"`{name}`: {side.key} is set, but TMX has languages and no columns", f"set {side.key[:3]}_lang of that corpus instead")
    return _pairs(read_blocks(path, what="the TMX corpus", name=name, is_xml=True), name, sides[0].lang, sides[1].lang)


def _pairs(blocks: Generator[bytes, None, None], name: str, src_lang: str, tgt_lang: str) -> Iterator[SentencePair]:
    units = _Units(name, src_lang, tgt_lang)
    with closing(blocks):
        for block in blocks:
            yield from units.feed(block)
        yield from units.feed(b"", is_last=True)
    if units.n_skipped and units.n_skipped == units.n_units:
        message = f"`{name}` has no unit in both {src_lang} and {tgt_lang}; its languages are {', '.join(sorted(units.langs)) or 'none'}"
        raise MtkitError(message, "set src_lang and tgt_lang of that corpus")
    if units.n_skipped:
        logger.info("%s: %s of %s units lack %s or %s and are left out", name, f"{units.n_skipped:,}", f"{units.n_units:,}", src_lang, tgt_lang)


class _Units:
    """Takes what the XML parser finds, and makes pairs of it."""

    def __init__(self, name: str, src_lang: str, tgt_lang: str) -> None:
        self.name = name
        self.src_lang, self.tgt_lang = _plain(src_lang), _plain(tgt_lang)
        self.pairs: list[SentencePair] = []
        self.n_units = 0
        self.n_skipped = 0
        self.langs: set[str] = set()
        self.n_elements = 0
        self.lang = ""
        self.texts: dict[str, str] = {}
        """Of the unit that is being read, by language."""
        self.parts: list[str] | None = None
        """Of the segment that is being read."""
        self.n_open_codes = 0
        """Elements around this place from the outermost that is markup."""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_entity

    def feed(self, block: bytes, *, is_last: bool = False) -> list[SentencePair]:
        """Parse the next bytes; returns the pairs that they completed."""
        try:
            self.parser.Parse(block, is_last)
        except expat.ExpatError as exc:
            raise MtkitError(f"`{self.name}`: broken XML: {exc}", "the file is cut short or damaged; fetch it again") from None
        except (LookupError, ValueError) as exc:  # the encoding that it names
            raise MtkitError(f"`{self.name}`: cannot be read: {exc}", "convert it to UTF-8") from None
        pairs, self.pairs = self.pairs, []
        return pairs

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.n_elements == 0 and tag != "tmx":
            raise MtkitError(f"`{self.name}`: no TMX: it begins with <{tag}>, not <tmx>", "check the path, or set `format` of that corpus")
        self.n_elements += 1
        if self.parts is not None:
            if self.n_open_codes or tag in _CODES:
                self.n_open_codes += 1
                self.parser.CharacterDataHandler = None
        elif tag == "seg":
            self.parts = []
            self.parser.CharacterDataHandler = self.parts.append
        elif tag == "tuv":
            self.lang = _plain(attributes.get("xml:lang") or attributes.get("lang") or "")
        elif tag == "tu":
            self.texts = {}

    def _end(self, tag: str) -> None:
        if self.parts is not None:
            if self.n_open_codes:
                self.n_open_codes -= 1
                if not self.n_open_codes:
                    self.parser.CharacterDataHandler = self.parts.append
            elif tag == "seg":
                self.texts.setdefault(self.lang, "".join(self.parts))
                self.parts = None
                self.parser.CharacterDataHandler = None
        elif tag == "tu":
            self._end_of_unit()

    def _end_of_unit(self) -> None:
        self.n_units += 1
        src, tgt = self._text_in(self.src_lang), self._text_in(self.tgt_lang)
        if src is not None and tgt is not None:
            self.pairs.append(SentencePair(one_line(src), one_line(tgt)))
            return
        self.n_skipped += 1
        if len(self.langs) < _MAX_NAMED:
            self.langs.update(self.texts)

    def _text_in(self, lang: str) -> str | None:
        if lang in self.texts:
            return self.texts[lang]
        return next((text for other, text in self.texts.items() if other.startswith(f"{lang}-")), None)

    def _refuse_entity(self, entity: str, *_: object) -> None:
        line = self.parser.CurrentLineNumber
        raise MtkitError(f"`{self.name}`: line {line} declares or uses the entity {entity}; entities are not read", "put the text in its place")


def _plain(lang: str) -> str:
    return lang.replace("_", "-").lower()

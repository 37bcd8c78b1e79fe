"""Read pairs from TMX, the Translation Memory eXchange format, as a stream.

TMX 1.4b (2005): <tu> contains a <tuv> for each language, which contains one <seg>. External
references (DTDs, entities) are never resolved.
"""

import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from xml.parsers import expat

from mtkit.corpus.languages import is_variety_of, word_separator
from mtkit.corpus.placeholders import PLACEHOLDER
from mtkit.corpus.read.columns import encoding_lang, one_line
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.corpus.sentence_pair import SentencePair, SideSpec
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once
from mtkit.io.text import invalid_utf8_hint, read_blocks

logger = get_logger(__name__)

_PAIRED_CODES = frozenset(["bpt", "ept"])
"""Start and end of formatting; their content is not text."""
_SINGLE_CODES = frozenset(["it", "ut"])
"""Isolated formatting, and codes of unknown kind; some tools write placeholders this way."""
# Neither character is valid in XML.
_CODE, _EMPTY = "\0", "\1"
"""Marks an omitted code, and an element without text that may have a meaning."""
_GAP = re.compile(f"(\\s*)([{_CODE}{_EMPTY}](?:\\s*[{_CODE}{_EMPTY}])*)(\\s*)")
_CLOSING, _OPENING = ".,;:!?)]}…、。，", "([{¿¡"
_FRENCH_CLOSING = ".,)]}…"
_MAX_NAMED = 20
"""Number of languages listed in an error."""
_MAX_COUNTED = 1000


def tmx_pairs(path: Path, name: str, sides: tuple[SideSpec, SideSpec]) -> Iterator[SentencePair]:
    """Read the pairs of a TMX file; a line break within a text becomes a space.

    The text of placeholders (<ph>), highlighted text (<hi>) and elements unknown to TMX is kept.
    Formatting (<bpt>, <ept>, <it>, <ut>) and elements without text are omitted, and so is the space
    that this would leave at the end of a text or before punctuation. A placeholder such as {name}
    or %s within <it> or <ut> is kept.

    A language is the `xml:lang` or `lang` of a <tuv>, ignoring case; if none is `en`, the first of
    `en-US`, `en-GB` and so on is used. Units without one of the two languages are skipped. Skipped
    units, units with several segments in a language, and regional varieties are counted in the log.

    Args:
        path: The file, which may be compressed.
        name: Name of the file in errors.
        sides: The languages.
    Raises:
        MtkitError: At the call: no such file, or the recipe specifies columns. While reading:
            broken XML, not TMX, entities, or no pair in the languages.
    """
    for side in sides:
        if side.column is not None:
            raise MtkitError(
                f"`{name}`: {side.key} is set, but TMX has languages instead of columns",
                f"set {side.key[:3]}_lang of that corpus instead",
            )
    return _pairs(read_blocks(path, what="the TMX corpus", name=name, is_xml=True), name, sides)


def _pairs(
    blocks: Generator[bytes, None, None], name: str, sides: tuple[SideSpec, SideSpec]
) -> Iterator[SentencePair]:
    handler = _TmxHandler(name, sides)
    with closing(blocks):
        for block in blocks:
            yield from handler.feed(block)
        yield from handler.feed(b"", is_last=True)
    units = handler.units
    if units.n_skipped and units.n_skipped == units.n_units:
        raise _no_pairs_error(
            units, name, [side.lang for side in sides if side.lang != UNKNOWN_LANG]
        )
    for text in units.log_messages():
        log_once(logger, f"{name}: {text}")


def _no_pairs_error(units: "_UnitReader", name: str, langs: list[str]) -> MtkitError:
    listed = [f"{lang or 'none'} ({n:,})" for lang, n in units.langs.most_common(_MAX_NAMED)]
    has = f"its languages: {', '.join(listed) or 'none'}"
    first, second = [*filter(None, units.langs), "de", "en"][:2]
    hint = (
        f"specify the languages, for example with --src-lang {first} --tgt-lang {second}, "
        "or as src_lang and tgt_lang of that corpus in a recipe"
    )
    if len(langs) < 2:
        return MtkitError(f"`{name}`: the languages to read are unknown; {has}", hint)
    return MtkitError(f"`{name}`: no unit in both {langs[0]} and {langs[1]}; {has}", hint)


class _UnitReader:
    """Makes pairs from translation units, and counts what is omitted and chosen.

    Args:
        sides: Languages of source and target.
    """

    def __init__(self, sides: tuple[SideSpec, SideSpec]) -> None:
        self.src_lang, self.tgt_lang = (_normalize_code(side.lang) for side in sides)
        self.n_units = 0
        self.n_skipped = 0
        self.lacking: Counter[str] = Counter()
        """Number of units without a segment in a requested language."""
        self.several: Counter[str] = Counter()
        """Number of units with several candidate segments, by requested language."""
        self.varieties: Counter[tuple[str, str]] = Counter()
        """Number of segments by requested and actual language, if these differ."""
        self.n_empty = 0
        self.langs: Counter[str] = Counter()

    def read(self, texts: Sequence[tuple[str, str]]) -> SentencePair | None:
        """Return the pair of a unit, given languages and texts of its segments; count problems."""
        self.n_units += 1
        langs = dict.fromkeys(lang for lang, _ in texts)
        self.langs.update(
            lang for lang in langs if lang in self.langs or len(self.langs) < _MAX_COUNTED
        )
        src, tgt = (self._segment_in(lang, texts) for lang in (self.src_lang, self.tgt_lang))
        if src is None or tgt is None:
            self.n_skipped += 1
            sides = ((self.src_lang, src), (self.tgt_lang, tgt))
            self.lacking.update(lang for lang, segment in sides if segment is None)
            return None
        for side_lang, (lang, _) in ((self.src_lang, src), (self.tgt_lang, tgt)):
            if lang != side_lang:
                self.varieties[side_lang, lang] += 1
        self.n_empty += _EMPTY in src[1] or _EMPTY in tgt[1]
        return SentencePair(*(one_line(_close_gaps(text, lang)) for lang, text in (src, tgt)))

    def _segment_in(self, lang: str, texts: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        """Return language and text of the first segment in a language or a variety of it."""
        segments = [row for row in texts if row[0] == lang] or [
            row for row in texts if is_variety_of(row[0], lang)
        ]
        if len({text for _, text in segments}) > 1:
            self.several[lang] += 1
        return segments[0] if segments else None

    def log_messages(self) -> Iterator[str]:
        """Yield messages about omitted units and about choices."""
        if self.n_skipped:
            lacking = ", ".join(f"{n:,} without {lang}" for lang, n in self.lacking.items())
            yield f"{self.n_skipped:,} of {self.n_units:,} units are skipped: {lacking}"
        for lang, n in self.several.items():
            yield f"{_units_have(n)} several segments in {lang}; the first is used"
        for (lang, variety), n in self.varieties.most_common(_MAX_NAMED):
            yield f"{lang} is {variety} in {n:,} of {self.n_units:,} units"
        if self.n_empty:
            yield f"{_units_have(self.n_empty)} placeholders without text, which are omitted"


class _TmxHandler:
    """Handles the events of the XML parser, and builds pairs from them."""

    def __init__(self, name: str, sides: tuple[SideSpec, SideSpec]) -> None:
        self.name = name
        self.telling_lang = encoding_lang(sides)
        self.units = _UnitReader(sides)
        self.pairs: list[SentencePair] = []
        self.n_fed = 0
        self.n_elements = 0
        self.lang = ""
        self.texts: list[tuple[str, str]] = []
        """Languages and segments of the current unit."""
        self.parts: list[str] | None = None
        """Parts of the current segment; None outside a segment."""
        self.starts: list[int] = []
        """Indexes in `parts` at which the segment's open elements begin."""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_entity

    def feed(self, block: bytes, *, is_last: bool = False) -> list[SentencePair]:
        """Parse the next bytes; returns the pairs that they complete."""
        try:
            self.parser.Parse(block, is_last)
        except expat.ExpatError as exc:
            raise MtkitError(f"`{self.name}`: broken XML: {exc}", self._hint(block)) from None
        except (LookupError, ValueError) as exc:  # raised for the encoding that the file declares
            hint = (
                "convert it with `iconv -f ENCODING -t UTF-8`, and write "
                'encoding="UTF-8" in its first line'
            )
            raise MtkitError(f"`{self.name}`: cannot be read: {exc}", hint) from None
        self.n_fed += len(block)
        pairs, self.pairs = self.pairs, []
        return pairs

    def _hint(self, block: bytes) -> str:
        position = self.parser.ErrorByteIndex - self.n_fed
        if 0 <= position < len(block) and block[position] >= 0x80:
            return invalid_utf8_hint(block, self.name, self.telling_lang)
        return "the file is truncated or damaged; download it again"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.n_elements == 0 and tag != "tmx":
            raise MtkitError(
                f"`{self.name}`: not TMX: it begins with <{tag}>, not <tmx>",
                "check the path, or set `format` of that corpus",
            )
        self.n_elements += 1
        if self.parts is not None:
            self.starts.append(len(self.parts))
        elif tag == "seg":
            self.parts = []
            self.parser.CharacterDataHandler = self.parts.append
        elif tag == "tuv":
            self.lang = _normalize_code(attributes.get("xml:lang") or attributes.get("lang") or "")
        elif tag == "tu":
            self.texts = []

    def _end(self, tag: str) -> None:
        if self.parts is not None:
            if self.starts:
                start = self.starts.pop()
                self.parts[start:] = [_inline_text(tag, "".join(self.parts[start:]))]
            else:
                self.texts.append((self.lang, "".join(self.parts)))
                self.parts = None
                self.parser.CharacterDataHandler = None
        elif tag == "tu" and (pair := self.units.read(self.texts)) is not None:
            self.pairs.append(pair)

    def _refuse_entity(self, entity: str, *_: object) -> None:
        line = self.parser.CurrentLineNumber
        raise MtkitError(
            f"`{self.name}`: line {line} declares or uses the entity {entity}; "
            "entities are not supported",
            "replace it with its text",
        )


def _inline_text(tag: str, content: str) -> str:
    """Return the text that remains of an element within a segment."""
    if tag in _PAIRED_CODES:
        return _CODE
    if tag in _SINGLE_CODES:
        return (
            content if content[:1] in ("{", "$", "%") and PLACEHOLDER.fullmatch(content) else _CODE
        )
    if tag == "hi":
        return content or _CODE
    return content if content.strip() else _EMPTY


def _close_gaps(text: str, lang: str) -> str:
    """Close the gaps that omitted elements leave."""
    if _CODE not in text and _EMPTY not in text:
        return text
    closing = _FRENCH_CLOSING if is_variety_of(lang, "fr") or lang == "fr" else _CLOSING

    def close(gap: re.Match[str]) -> str:
        before, marks, after = gap.groups()
        left, right = text[: gap.start()][-1:], text[gap.end() :][:1]
        if not left or not right:
            return ""
        if before and after:
            return before
        if (before and right in closing) or (after and left in _OPENING):
            return ""
        is_between_words = _EMPTY in marks and left.isalnum() and right.isalnum()
        return before or after or (word_separator(lang) if is_between_words else "")

    return _GAP.sub(close, text)


def _units_have(n: int) -> str:
    return "1 unit has" if n == 1 else f"{n:,} units have"


def _normalize_code(lang: str) -> str:
    return lang.replace("_", "-").lower()

"""Read pairs from TMX, the Translation Memory eXchange format, as a stream.

TMX 1.4b (2005): <tu> contains a <tuv> for each language, which contains one <seg>. External
references (DTDs, entities) are never resolved.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from mtkit.corpus.languages import is_variety_of
from mtkit.corpus.read.columns import one_line
from mtkit.corpus.read.inline_codes import EMPTY, close_gaps, inline_text
from mtkit.corpus.read.xml_handler import XmlHandler, refuse_columns
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger, log_once
from mtkit.io.text import read_blocks

logger = get_logger(__name__)

_MAX_NAMED = 20
"""Number of languages listed in an error."""
_MAX_COUNTED = 1000


def tmx_pairs(path: Path, name: str, sides: SideSpecs) -> Iterator[SentencePair]:
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
    refuse_columns(sides, name, "TMX")
    return _pairs(read_blocks(path, what="the TMX corpus", name=name, is_xml=True), name, sides)


def _pairs(
    blocks: Generator[bytes, None, None], name: str, sides: SideSpecs
) -> Iterator[SentencePair]:
    handler = _TmxHandler(name, sides)
    yield from handler.read(blocks)
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

    def __init__(self, sides: SideSpecs) -> None:
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
        self.n_empty += EMPTY in src[1] or EMPTY in tgt[1]
        return SentencePair(*(one_line(close_gaps(text, lang)) for lang, text in (src, tgt)))

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


class _TmxHandler(XmlHandler):
    """Makes pairs from the translation units of a memory."""

    def __init__(self, name: str, sides: SideSpecs) -> None:
        super().__init__(name, sides, "tmx")
        self.units = _UnitReader(sides)
        self.lang = ""
        self.texts: list[tuple[str, str]] = []
        """Languages and segments of the current unit."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "seg":
            self.begin_text()
        elif tag == "tuv":
            self.lang = _normalize_code(attributes.get("xml:lang") or attributes.get("lang") or "")
        elif tag == "tu":
            self.texts = []

    def end(self, tag: str) -> None:
        if tag == "tu" and (pair := self.units.read(self.texts)) is not None:
            self.pairs.append(pair)

    def end_text(self, text: str) -> None:
        self.texts.append((self.lang, text))

    def inline_text(self, tag: str, attributes: dict[str, str], content: str) -> str:
        return inline_text(tag, content)


def _units_have(n: int) -> str:
    return "1 unit has" if n == 1 else f"{n:,} units have"


def _normalize_code(lang: str) -> str:
    return lang.replace("_", "-").lower()

"""The single rules of cleaning: each looks at a text, or at a pair, and says whether something is wrong with it."""

import re
import unicodedata
from functools import lru_cache

from mtkit.config.clean import CleanConfig
from mtkit.corpus.folding import fold
from mtkit.corpus.scripts import script_of, scripts_of_language

RATIO_SLACK = 10
"""Added to the width of both sides before they are compared: `Stop!` may well be three words elsewhere."""

LATIN_ALLOWANCE = 0.1
"""Part of `clean.min_script` that is asked of a language not written in Latin letters: names, brands and code stay as they are."""

FEW_LETTERS = 10
"""Fewer Latin letters than this may stand alone in any language, as NATO and Facebook do."""

COMMON_LETTERS = {
    "arabic": "ء-غف-ي",
    "armenian": "Ա-Ֆա-և",
    "bengali": "অ-ন",
    "cyrillic": "Ѐ-ҁҊ-ӿ",
    "devanagari": "ऄ-ह",
    "ethiopic": "ሀ-ፚ",
    "georgian": "ა-ჰ",
    "greek": "Α-ΡΣ-Ϋα-ώ",
    "gujarati": "અ-હ",
    "gurmukhi": "ਅ-ਹ",
    "han": "一-鿿",
    "hangul": "가-힣",
    "hebrew": "א-ת",
    "hiragana": "ぁ-ゖ",
    "kannada": "ಅ-ಹ",
    "katakana": "ァ-ヺ",
    "khmer": "ក-ឳ",
    "lao": "ກ-ະ",
    "latin": "A-Za-zÀ-ÖØ-öø-ɏ",
    "malayalam": "അ-ഹ",
    "myanmar": "က-ဪ",
    "oriya": "ଅ-ହ",
    "sinhala": "අ-ෆ",
    "tamil": "அ-ஹ",
    "telugu": "అ-హ",
    "thai": "ก-ะ",
    "tibetan": "ཀ-ཬ",
}
"""Ranges that hold most letters of a script and nothing else, for a count that is quick and never too high."""

_NOT_WIDE = re.compile("[^\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\U00020000-\U0003ffff]+")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


_FOLLOWS = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
"""What the bytes 80 to BF, of which UTF-8 makes all but the first byte of a character, become in Latin-1 and Windows-1252."""

_GARBLED = re.compile(
    # Accented letters, typographic signs and emoji can be told by one character; other scripts by two in a row, since `ß«` is nothing strange.
    f"\ufffd|[ÂÃ]{_FOLLOWS}|â[€\x80]|ð[Ÿ\x9f]|(?:[Ä-ß]{_FOLLOWS}){{2}}|(?:[à-ï]{_FOLLOWS}{{2}}){{2}}"
)


def is_garbled(text: str) -> bool:
    """Whether characters were lost, or UTF-8 was read as Windows-1252."""
    return not text.isascii() and _GARBLED.search(text) is not None


def display_width(text: str) -> int:
    """Columns that a text takes on a screen, where letters of Chinese, Japanese and Korean are two wide.

    It counts what a text says better than characters do: English and Korean differ by 1.8 in characters, and by 1.1 in width.
    """
    return len(text) if text.isascii() else len(text) + len(_NOT_WIDE.sub("", text))


def differ_in_width(src: str, tgt: str, max_ratio: float) -> bool:
    """Whether one side is more than `max_ratio` times as wide as the other, with RATIO_SLACK added to both."""
    shorter, longer = (len(src), len(tgt)) if len(src) < len(tgt) else (len(tgt), len(src))
    # A text is at most twice as wide as it is long, so most pairs need not be measured.
    if 2 * longer + RATIO_SLACK <= max_ratio * (shorter + RATIO_SLACK):
        return False
    shorter, longer = sorted((display_width(src), display_width(tgt)))
    return longer + RATIO_SLACK > max_ratio * (shorter + RATIO_SLACK)


def is_copy(src: str, tgt: str, min_letters: int) -> bool:
    """Whether both sides fold to the same and hold at least so many letters."""
    # Most pairs begin with different letters, and folding takes time.
    if _initial(src) != _initial(tgt):
        return False
    folded = fold(src)
    return folded == fold(tgt) and sum(map(str.isalpha, folded)) >= min_letters


def _initial(text: str) -> str:
    found = _LETTER_OR_DIGIT.search(text)
    return _base_of(found.group()) if found is not None else ""


@lru_cache(maxsize=4096)
def _base_of(char: str) -> str:
    """A character without case and accent, so that it matches however these are written."""
    return unicodedata.normalize("NFKD", fold(char))[:1]


class LetterRules:
    """The rules on letters: enough of a text's characters must be letters, and enough of these of the language's scripts.

    Args:
        config: Says how much is enough.
        lang: The language code; of one that is not known, scripts are not asked for.
    """

    def __init__(self, config: CleanConfig, lang: str) -> None:
        self._min_letters = config.min_letters
        self._scripts = scripts_of_language(lang) if config.min_script else frozenset()
        self._is_latin = "latin" in self._scripts
        self._min_script = (config.min_script if self._is_latin else LATIN_ALLOWANCE * config.min_script) if self._scripts else 0.0
        self._min_share = max(self._min_letters, self._min_script)
        self._others = re.compile(f"[^{''.join(COMMON_LETTERS[script] for script in sorted(self._scripts or {'latin'}))}]+")

    def problem(self, text: str) -> str | None:
        """The rule that a text breaks: `letters`, `script` or none."""
        # A bound from below that suffices for nearly every text.
        if len(self._others.sub("", text)) >= self._min_share * len(text):
            return None
        scripts = [script for script in map(script_of, text) if script is not None]
        if len(scripts) < self._min_letters * sum(not char.isspace() for char in text):
            return "letters"
        if not self._scripts or (not self._is_latin and len(scripts) < FEW_LETTERS and set(scripts) == {"latin"}):
            return None
        return "script" if sum(script in self._scripts for script in scripts) < self._min_script * len(scripts) else None

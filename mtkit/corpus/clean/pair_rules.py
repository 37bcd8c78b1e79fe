"""Rules that a text or a pair must satisfy."""

import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtkit.config.clean import CleanConfig
from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.clean.match_keys import normalize_for_matching
from mtkit.corpus.scripts import script_of, scripts_of_language

RATIO_SLACK = 10
"""Added to both widths before they are compared: short texts such as `Stop!` vary more."""

NON_LATIN_FACTOR = 0.1
"""Factor of `clean.min_script` for languages not in Latin script: names, brands and code are
Latin.
"""

MIN_FOREIGN_LATIN_LETTERS = 10
"""Fewer Latin letters than this are accepted in any language, such as NATO and Facebook."""

_LETTER_BYTES = {
    "arabic": b"\xd8\xd9",
    "armenian": b"\xd4\xd5\xd6",
    "cyrillic": b"\xd0\xd1",
    "greek": b"\xce\xcf",
    "han": b"\xe5\xe6\xe7\xe8\xe9",
    "hangul": b"\xeb\xec\xed",
    "hebrew": b"\xd7",
    "latin": string.ascii_letters.encode(),
}
"""First UTF-8 bytes that are common in letters of a script and rare elsewhere, for a fast count."""

_NOT_WIDE = re.compile(
    "[^\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60"
    "\U00020000-\U0003ffff]+"
)
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")

_LEADS = "[\xc2-\xf0]"
_FOLLOWS = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
"""The bytes 80 to BF, which are all but the first byte of a UTF-8 character, decoded as Latin-1 or
Windows-1252.
"""

_MAYBE_GARBLED = re.compile(_LEADS + _FOLLOWS)
GARBLED = re.compile(
    # For accented letters, typographic characters and emoji, one occurrence is proof; other scripts
    # need two in a row, since `ß«` is ordinary.
    f"[ÂÃ]{_FOLLOWS}|â[€\x80]|ð[Ÿ\x9f]|(?:[Ä-ß]{_FOLLOWS}){{2}}|(?:[à-ï]{_FOLLOWS}{{2}}){{2}}"
)


def is_garbled(text: str) -> bool:
    """Whether characters were lost, or UTF-8 was decoded as Windows-1252."""
    if text.isascii():
        return False
    return "\ufffd" in text or (
        _MAYBE_GARBLED.search(text) is not None and GARBLED.search(text) is not None
    )


def display_width(text: str) -> int:
    """Return the columns of a text on a terminal; Chinese, Japanese and Korean letters have two.

    Width measures content better than the number of characters: English and Korean differ by a
    factor of 1.8 in characters, and of 1.1 in width.
    """
    return len(text) if text.isascii() else len(text) + len(_NOT_WIDE.sub("", text))


def exceeds_width_ratio(src: str, tgt: str, max_ratio: float) -> bool:
    """Whether one side is more than `max_ratio` times as wide as the other.

    RATIO_SLACK is added to both widths.
    """
    n_src, n_tgt = len(src), len(tgt)
    # A text is at most twice as wide as it is long, so most need not be measured.
    most_src = n_src if src.isascii() else 2 * n_src
    most_tgt = n_tgt if tgt.isascii() else 2 * n_tgt
    if most_src + RATIO_SLACK <= max_ratio * (
        n_tgt + RATIO_SLACK
    ) and most_tgt + RATIO_SLACK <= max_ratio * (n_src + RATIO_SLACK):
        return False
    shorter, longer = sorted((display_width(src), display_width(tgt)))
    return longer + RATIO_SLACK > max_ratio * (shorter + RATIO_SLACK)


def is_copy(src: str, tgt: str, min_letters: int) -> bool:
    """Whether both sides are equal for matching and contain at least `min_letters` letters."""
    # Most pairs begin or end with different letters, and normalization takes time.
    if _first_base_char(src) != _first_base_char(tgt) or _first_base_char(
        src[::-1]
    ) != _first_base_char(tgt[::-1]):
        return False
    normalized = normalize_for_matching(src)
    return (
        normalized == normalize_for_matching(tgt)
        and sum(map(str.isalpha, normalized)) >= min_letters
    )


def _first_base_char(text: str) -> str:
    """Return the first letter or digit without case and accent."""
    char = text[:1]
    if not char.isalnum():
        match = _LETTER_OR_DIGIT.search(text)
        char = match.group() if match is not None else ""
    return _base_char(char)


@lru_cache(maxsize=4096)
def _base_char(char: str) -> str:
    """Remove case and accent from a character."""
    return unicodedata.normalize("NFKD", normalize_for_matching(char))[:1]


class LetterRules:
    """Rules on letters: a text needs enough letters, and enough of them in its language's scripts.

    Args:
        config: The thresholds.
        lang: Language code; the script of an unknown language is not checked.
    """

    def __init__(self, config: CleanConfig, lang: str) -> None:
        self._min_letters = config.min_letters
        self._scripts = scripts_of_language(lang) if config.min_script else frozenset()
        self._is_latin = "latin" in self._scripts
        self._min_script = (
            (config.min_script if self._is_latin else NON_LATIN_FACTOR * config.min_script)
            if self._scripts
            else 0.0
        )
        self._min_share = max(self._min_letters, self._min_script)
        letter_bytes = b"".join(
            _LETTER_BYTES.get(script, b"") for script in self._scripts or ("latin",)
        )
        self._other_bytes = bytes(byte for byte in range(256) if byte not in letter_bytes)

    def violated_rule(self, text: str) -> str | None:
        """Return the rule that a text violates: `letters`, `script` or None."""
        # A lower bound of the letters, which suffices for nearly every text.
        n_min_letters = len(text.encode().translate(None, self._other_bytes))
        return (
            None if n_min_letters >= self._min_share * len(text) else self._check_all_letters(text)
        )

    def _check_all_letters(self, text: str) -> str | None:
        scripts: Counter[str] = Counter()
        n_chars = 0
        for char, count in Counter(text).items():
            if not char.isspace():
                n_chars += count
                script = script_of(char)
                if script is not None:
                    scripts[script] += count
        n_letters = scripts.total()
        if n_letters < self._min_letters * n_chars:
            return "letters"
        if not self._scripts or (
            not self._is_latin
            and n_letters < MIN_FOREIGN_LATIN_LETTERS
            and n_letters == scripts["latin"]
        ):
            return None
        n_own = sum(scripts[script] for script in self._scripts)
        return "script" if n_own < self._min_script * n_letters else None


MIN_LENGTH_FOR_RATIO = 10
"""Below this number of tokens in the longer side, the ratio is not checked: short texts vary
more.
"""


def length_problems(
    src_lengths: NDArray[np.integer], tgt_lengths: NDArray[np.integer], config: PreprocessConfig
) -> dict[int, str]:
    """Find the pairs that violate a rule on the number of tokens.

    Args:
        src_lengths: Tokens of each source. Shape (N,).
        tgt_lengths: Tokens of each target. Shape (N,).
        config: The limits.
    Returns:
        The violated rule by the index of the pair. A text can be blank for the tokenizer alone,
        such as a zero-width space.
    """
    shorter, longer = np.minimum(src_lengths, tgt_lengths), np.maximum(src_lengths, tgt_lengths)
    is_blank = shorter == 0
    is_too_long = longer > config.max_length
    breaks_ratio = (longer >= MIN_LENGTH_FOR_RATIO) & (longer > config.max_ratio * shorter)
    return {
        int(index): "blank" if is_blank[index] else "too_long" if is_too_long[index] else "ratio"
        for index in np.flatnonzero(is_blank | is_too_long | breaks_ratio)
    }

"""Detection of the language of a text by its script and by frequent words.

Nothing is learned from data: the weights are fixed, those of a naive Bayes classifier. Scripts
decide first; frequent words and special letters separate languages that share a script.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import exp, log
from typing import NamedTuple

from mtkit.corpus.languages import language_code
from mtkit.corpus.scripts import script_of, scripts_of_language

_MAX_CHARS = 5000
"""A longer text is detected by its beginning."""
_WORD = re.compile(r"[^\W\d_]+(?:['ʻ’·][^\W\d_]+)*")
_WORD_WEIGHT = 1.5
_LETTER_WEIGHT = 0.7
_FOREIGN_LETTER_WEIGHT = -1.0
_WRONG_SCRIPT_WEIGHT = -2.0
_MISSING_SCRIPT_WEIGHT = -0.5
_MAX_EVIDENCE = 40.0
"""Limits of the weights of letters in a text."""
_MIN_FOREIGN_WEIGHT = 2.5
"""A text is in another language if the weights of its words exceed those of its own by more."""
_SIMILAR = 0.5
"""Languages that share this many of their frequent words are too similar to distinguish."""
_SIGNATURE_SCRIPTS = {"ja": frozenset({"hiragana", "katakana"}), "ko": frozenset({"hangul"})}
"""Scripts without which a text of a few Chinese characters is hardly in the language."""


class Detection(NamedTuple):
    """A language that a text may be in."""

    language: str
    confidence: float
    """Probability in percent; 0 if the text has no letters."""


class _Profile(NamedTuple):
    words: frozenset[str]
    letters: frozenset[str]


def detect_language(texts: Sequence[str], candidates: Sequence[str]) -> list[Detection]:
    """Detect the language of some texts together.

    Args:
        texts: Texts in one language.
        candidates: Codes of the languages that are considered.
    Returns:
        The candidates, the most probable first.
    """
    text = " ".join(texts)[:_MAX_CHARS].casefold()
    scripts = Counter(script for char in text if (script := script_of(char)) is not None)
    n_letters = scripts.total()
    if not n_letters:
        return [Detection(code, 0.0) for code in candidates]
    if len(candidates) == 1:
        own = scripts_of_language(candidates[0])
        share = sum(n for script, n in scripts.items() if script in own) / n_letters if own else 1.0
        return [Detection(candidates[0], round(100 * share, 1))]
    words = Counter(_WORD.findall(text.replace("’", "'")))
    letters = Counter(char for char in text if not char.isascii() and char.isalpha())
    scores = {
        code: _script_score(code, scripts) + _word_score(code, words) + _letter_score(code, letters)
        for code in candidates
    }
    best = max(scores.values())
    weights = {code: exp(max(score - best, -50.0)) for code, score in scores.items()}
    total = sum(weights.values())
    found = [Detection(code, round(100 * weights[code] / total, 1)) for code in candidates]
    return sorted(found, key=lambda one: -scores[one.language])


class LanguageCheck:
    """Finds texts that are in another language than expected, written in the same script.

    Only frequent words count, since names have letters of any language. Of similar languages, such
    as Danish and Norwegian, none is another one.

    Args:
        lang: Language code. Nothing is found if its frequent words are not known, or if it is
            written in several scripts.
    """

    def __init__(self, lang: str) -> None:
        self._lang = language_code(lang) or lang
        self._weights: dict[str, list[tuple[str, float]]] = {}
        scripts, own = scripts_of_language(lang), _profiles().get(self._lang)
        if own is None or len(scripts) != 1:
            return
        for code, profile in _profiles().items():
            is_similar = len(own.words & profile.words) >= _SIMILAR * len(own.words)
            if code == self._lang or (scripts & scripts_of_language(code) and not is_similar):
                for word in profile.words:
                    self._weights.setdefault(word, []).append((code, _word_weights()[word]))

    def is_other(self, text: str) -> bool:
        """Whether the frequent words of a text are clearly those of another language."""
        weights = self._weights
        if not weights:
            return False
        scores: dict[str, float] = {}
        for word in set(_WORD.findall(text[:_MAX_CHARS].casefold().replace("’", "'"))):
            for code, weight in weights.get(word, ()):
                scores[code] = scores.get(code, 0.0) + weight
        own = scores.pop(self._lang, 0.0)
        return max(scores.values(), default=0.0) - own > _MIN_FOREIGN_WEIGHT


def _script_score(code: str, scripts: Counter[str]) -> float:
    own = scripts_of_language(code)
    if not own:
        return 0.0
    n_wrong = sum(n for script, n in scripts.items() if script not in own)
    score = _WRONG_SCRIPT_WEIGHT * n_wrong
    signature = _SIGNATURE_SCRIPTS.get(language_code(code) or code)
    if signature and not signature & scripts.keys():
        score += _MISSING_SCRIPT_WEIGHT * scripts["han"]
    return max(score, -_MAX_EVIDENCE)


def _word_score(code: str, words: Counter[str]) -> float:
    profile = _profiles().get(language_code(code) or code)
    if profile is None:
        return 0.0
    return sum(_word_weights()[word] * n for word, n in words.items() if word in profile.words)


def _letter_score(code: str, letters: Counter[str]) -> float:
    profile = _profiles().get(language_code(code) or code)
    if profile is None or not profile.letters:
        return 0.0
    score = 0.0
    for letter, n in letters.items():
        if letter in profile.letters:
            score += _LETTER_WEIGHT * n
        elif letter in _special_letters():
            score += _FOREIGN_LETTER_WEIGHT * n
    return min(max(score, -_MAX_EVIDENCE), _MAX_EVIDENCE)


@cache
def _profiles() -> dict[str, _Profile]:
    text = files("mtkit.corpus").joinpath("frequent_words.txt").read_text(encoding="utf-8")
    profiles = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            words, _, letters = line.partition("|")
            code, *rest = words.split()
            profiles[code] = _Profile(frozenset(rest), frozenset(letters.strip()))
    return profiles


@cache
def _word_weights() -> dict[str, float]:
    """Return the weight of each word: the fewer languages have it, the more it says."""
    counts = Counter(word for profile in _profiles().values() for word in profile.words)
    return {word: _WORD_WEIGHT / (1 + log(n)) for word, n in counts.items()}


@cache
def _special_letters() -> frozenset[str]:
    return frozenset(letter for profile in _profiles().values() for letter in profile.letters)

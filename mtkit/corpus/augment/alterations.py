"""Alter sentence pairs as careless writers do, to train and test a model's robustness."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from mtkit.config.augment import Alteration, Annotation, AugmentConfig
from mtkit.corpus.augment.noise import random_noise_line
from mtkit.corpus.augment.typos import add_typos
from mtkit.corpus.languages import base_language
from mtkit.corpus.placeholders import PLACEHOLDER, map_outside_placeholders

# The first letter of a word: not after a letter, after an apostrophe within a word (don't), after a
# separate combining accent or in a placeholder ({n}th, 3rd).
_WORD_START = re.compile(
    rf"{PLACEHOLDER.pattern} | (?<![\w\u0300-\u036f}}>])(?<!\w['’])[^\W\d_]", re.VERBOSE
)
_END_PUNCTUATION = ".!?…;。！？；।॥؟۔"
_FINAL_PUNCTUATION = re.compile(
    rf"{PLACEHOLDER.pattern} | (?<![{_END_PUNCTUATION}\s])[{_END_PUNCTUATION}\s]*"
    rf"[{_END_PUNCTUATION}](?=[\"'”’»」』)\]]*\s*$)",
    re.VERBOSE,
)

_DOTTED_I = frozenset({"tr", "tur", "az", "aze", "azj"})


def draw_alterations(
    config: AugmentConfig, n_pairs: int, rng: Random
) -> dict[int, Alteration | Annotation]:
    """Draw which of `n_pairs` pairs are altered, and how, with one random number per pair."""
    names: list[Alteration | Annotation] = [name for name, share in config.shares.items() if share]
    if not names:
        return {}
    ends = list(accumulate(config.shares[name] for name in names))
    draws = ((i, bisect_right(ends, rng.random())) for i in range(n_pairs))
    return {i: names[choice] for i, choice in draws if choice < len(names)}


def alter_pair(
    name: Alteration, src: str, tgts: Sequence[str], rng: Random, langs: tuple[str, str]
) -> tuple[str, list[str]]:
    """Alter a source and, where that changes how it is translated, its translations.

    The pair is returned unchanged if the alteration does not apply (a script without case, no final
    punctuation), or if a side is or would become blank.

    Args:
        name: The alteration.
        src: One line.
        tgts: Its translation; a test set may have several.
        rng: Random number generator.
        langs: Language codes of source and target.
    Returns:
        The altered source and translations, one line each.
    """
    if name == "noise":
        altered_src = random_noise_line(len(src.split()), rng)
        altered_tgts = [altered_src] * len(tgts)
    elif name == "typos":
        altered_src, altered_tgts = add_typos(src, langs[0], rng), list(tgts)
    else:
        change = _TEXT_ALTERATIONS[name]
        altered_src, altered_tgts = change(src, langs[0]), [change(tgt, langs[1]) for tgt in tgts]
    if altered_src == src or not all(
        text.strip() for text in (src, *tgts, altered_src, *altered_tgts)
    ):
        return src, list(tgts)
    return altered_src, altered_tgts


def _upper_case(text: str, lang: str) -> str:
    if not _has_case(text):
        return text
    return map_outside_placeholders(text, lambda part: _upper(part, lang))


def _title_case(text: str, lang: str) -> str:
    if not _has_case(text):
        return text
    return _WORD_START.sub(lambda match: match[0] if match[1] else _upper(match[0], lang), text)


def _drop_end_punctuation(text: str, lang: str) -> str:
    return _FINAL_PUNCTUATION.sub(lambda match: match[1] or "", text)


def _has_case(text: str) -> bool:
    """Whether most letters belong to a script with upper and lower case.

    A few Latin names in a Korean line do not determine the case of its translation.
    """
    n_letters = sum(char.isalpha() for char in text)
    return 2 * sum(char.isupper() or char.islower() for char in text) > n_letters


def _upper(text: str, lang: str) -> str:
    """Convert to upper case; in Turkish and Azerbaijani, i keeps its dot."""
    return (text.replace("i", "İ") if base_language(lang) in _DOTTED_I else text).upper()


_TEXT_ALTERATIONS: dict[Alteration, Callable[[str, str], str]] = {
    "upper_case": _upper_case,
    "title_case": _title_case,
    "drop_end_punctuation": _drop_end_punctuation,
}

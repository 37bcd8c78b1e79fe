"""Recognize the source and target columns by their names."""

import re
from collections.abc import Sequence

from mtkit.corpus.languages import is_variety_of, language_code
from mtkit.corpus.scripts import UNKNOWN_LANG
from mtkit.corpus.sentence_pair import SideSpec, SideSpecs

ColumnIndexes = tuple[int | None, int | None]

NAME_COLUMNS = (
    "specify the columns with --src-column and --tgt-column, or with src_column and "
    "tgt_column of that corpus in a recipe"
)

_SOURCE = frozenset("source src original input 원문 原文".split())
_TARGET = frozenset(
    "target tgt trg translation reference ref translated 번역문 번역 訳文 译文".split()
)
_FILLERS = frozenset(
    "text texts sentence sentences segment segments string language lang column".split()
)
_OTHER_COLUMNS = frozenset(
    "id number nr key index score label domain url link date author comment note notes name type "
    "category title split file".split()
)
_IDENTIFIER = re.compile(r"[A-Za-z]+(_[A-Za-z0-9]+)+|[A-Za-z]{3,}\d+")
_SEPARATORS = re.compile(r"[\s_.()/:-]+")


def find_columns(sides: SideSpecs, names: Sequence[str]) -> ColumnIndexes:
    """Find the columns of the two sides by language code, region, name, or words such as `source`.

    Args:
        sides: The sides to find, except for those with a `column` in the recipe.
        names: Column names; blank ones are ignored.
    Returns:
        The indexes of the two; None for a side without a matching column or with several.
    """
    same = language_code(sides[0].lang) == language_code(sides[1].lang)
    src, tgt = (
        _best_column(side, word, names, by_language=not same)
        for side, word in zip(sides, (_SOURCE, _TARGET), strict=True)
    )
    return (None, None) if src == tgt else (src, tgt)


def looks_like_header(names: Sequence[str]) -> bool:
    """Whether a row consists of distinct words that are typical of headers."""
    words = [name.casefold() for name in names if name]
    return len(words) > 1 and len(set(words)) == len(words) and all(map(_is_header_word, words))


def is_text_column(name: str) -> bool:
    """Whether a name, such as `text` or `sentence`, denotes text without a language."""
    words = _words(name)
    return bool(words) and _FILLERS.issuperset(words)


def _best_column(
    side: SideSpec, words: frozenset[str], names: Sequence[str], *, by_language: bool
) -> int | None:
    ranks = {
        index: rank
        for index, name in enumerate(names)
        if name and (rank := _fit_rank(name, side.lang, words, by_language)) is not None
    }
    best = [index for index, rank in ranks.items() if rank == min(ranks.values())]
    return best[0] if len(best) == 1 else None


def _fit_rank(name: str, lang: str, words: frozenset[str], by_language: bool) -> int | None:
    """Rank how well a column's name matches a side, from 0 for its language code; None if not."""
    language = language_code(lang)
    core = " ".join(word for word in _words(name) if word not in _FILLERS)
    fits = [
        name == lang,
        name.casefold() == lang.casefold() != UNKNOWN_LANG,
        is_variety_of(name, lang),
        by_language and language is not None and language_code(name) == language,
        by_language and language is not None and language_code(core) == language,
        core in words,
    ]
    return fits.index(True) if any(fits) else None


def _words(name: str) -> list[str]:
    return [word for word in _SEPARATORS.split(name.casefold()) if word]


def _is_header_word(name: str) -> bool:
    words = [word for word in _words(name) if word not in _FILLERS]
    is_known = bool(_words(name)) and all(
        word in _SOURCE | _TARGET | _OTHER_COLUMNS or language_code(word) for word in words
    )
    return is_known or language_code(name) is not None or _IDENTIFIER.fullmatch(name) is not None

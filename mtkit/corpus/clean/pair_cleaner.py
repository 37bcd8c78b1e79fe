"""Clean pairs: fix both sides, and find the rule that a pair violates."""

import math
import sys
from collections.abc import Iterator
from typing import NamedTuple, Self

from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.pair_rules import LetterRules, exceeds_width_ratio, is_copy, is_garbled
from mtkit.corpus.clean.text_fixes import FIXES, TextFixer
from mtkit.corpus.language_detection import LanguageCheck
from mtkit.corpus.read.pairs import read_pairs


class CleanedPair(NamedTuple):
    """The result of cleaning a pair."""

    src: str
    tgt: str
    reason: str | None
    """The first of RULES that the pair violates, if any."""
    fixes: tuple[str, ...]
    """Names of the FIXES that changed the text."""


class PairCleaner:
    """Fixes pairs and decides which to drop. Cleaning a kept pair again changes nothing.

    Duplicates are found elsewhere, since that needs the whole corpus.

    Args:
        config: The rules.
        src_lang: Language code of the source; the script of an unknown language is not checked.
        tgt_lang: Language code of the target.
        held_out: Texts that must not be trained on.
    """

    def __init__(
        self, config: CleanConfig, src_lang: str, tgt_lang: str, held_out: HeldOutKeys | None = None
    ) -> None:
        self.config = config
        self._src_lang, self._tgt_lang, self._held_out = src_lang, tgt_lang, held_out
        self._text_fixer = TextFixer(config)
        self._min_chars, self._max_chars = config.min_chars, config.max_chars or sys.maxsize
        self._max_char_ratio = config.max_char_ratio or math.inf
        self._min_copy_letters, self._drops_garbled = config.min_copy_letters, config.garbled
        self._src_rules = LetterRules(config, src_lang)
        self._tgt_rules = LetterRules(config, tgt_lang)
        self._drops_wrong_language = config.wrong_language
        self._src_language, self._tgt_language = LanguageCheck(src_lang), LanguageCheck(tgt_lang)

    @classmethod
    def for_recipe(cls, recipe: Recipe) -> Self:
        """Create the cleaner of a recipe's training pairs; reads its validation and test sets.

        See also `for_source`.

        Raises:
            MtkitError: A validation or test set cannot be read.
        """
        held_out = None
        if recipe.clean.test_overlap != "off":
            has_sets = recipe.data.validation or recipe.data.test
            pairs = held_out_pairs(recipe)
            held_out = HeldOutKeys(pairs, recipe.clean.test_overlap) if has_sets else None
        return cls(recipe.clean, recipe.data.src_lang, recipe.data.tgt_lang, held_out)

    def for_source(self, source: CorpusSource) -> "PairCleaner":
        """Return the cleaner of one corpus, which may have languages of its own."""
        if source.src_lang is None and source.tgt_lang is None:
            return self
        return PairCleaner(
            self.config,
            source.src_lang or self._src_lang,
            source.tgt_lang or self._tgt_lang,
            self._held_out,
        )

    def clean(self, src: str, tgt: str) -> CleanedPair:
        """Fix a pair, and find the rule that it violates."""
        src, src_fixes = self._text_fixer.fix(src)
        tgt, tgt_fixes = self._text_fixer.fix(tgt)
        fixes = (
            tuple(name for name in FIXES if name in src_fixes or name in tgt_fixes)
            if tgt_fixes
            else src_fixes
        )
        return CleanedPair(src, tgt, self._violated_rule(src, tgt), fixes)

    def fix(self, text: str) -> str:
        """Fix a text."""
        return self._text_fixer.fix(text)[0]

    def _violated_rule(self, src: str, tgt: str) -> str | None:
        if not src or not tgt or src.isspace() or tgt.isspace():
            return "blank"
        if not (
            self._min_chars <= len(src) <= self._max_chars
            and self._min_chars <= len(tgt) <= self._max_chars
        ):
            return "length"
        if self._drops_garbled and (is_garbled(src) or is_garbled(tgt)):
            return "garbled"
        src_problem = self._src_rules.violated_rule(src)
        tgt_problem = self._tgt_rules.violated_rule(tgt)
        if src_problem is not None or tgt_problem is not None:
            return "letters" if "letters" in (src_problem, tgt_problem) else "script"
        if exceeds_width_ratio(src, tgt, self._max_char_ratio):
            return "char_ratio"
        if self._min_copy_letters and is_copy(src, tgt, self._min_copy_letters):
            return "copy"
        if self._held_out is not None and self._held_out.contains(src, tgt):
            return "test_overlap"
        if self._drops_wrong_language and (
            self._src_language.is_other(src) or self._tgt_language.is_other(tgt)
        ):
            return "language"
        return None


def held_out_pairs(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Read the validation and test sets of a recipe, with their texts fixed.

    They are fixed in the same way as training pairs, or they would not match.

    Raises:
        MtkitError: A set cannot be read.
    """
    fix = TextFixer(recipe.clean).fix
    for source in (*recipe.data.validation, *recipe.data.test):
        for src, tgt in read_pairs(source, recipe.data):
            yield fix(src)[0], fix(tgt)[0]

"""Clean pairs: mend both sides, say which rule the pair breaks, and count."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.clean.held_out_keys import HeldOut
from mtkit.corpus.clean.pair_rules import LetterRules, differ_in_width, is_copy, is_garbled
from mtkit.corpus.clean.text_fixes import MENDINGS, Mender
from mtkit.corpus.read.pairs import read_pairs

RULES = {
    "blank": "one side has no text",
    "length": "one side has too few or too many characters (clean.min_chars, clean.max_chars)",
    "garbled": "characters were lost or decoded wrongly (clean.garbled)",
    "letters": "one side contains almost no letters (clean.min_letters)",
    "script": "one side is not in the script of its language (clean.min_script)",
    "char_ratio": "one side is much wider than the other (clean.max_char_ratio)",
    "copy": "both sides are the same (clean.min_copy_letters)",
    "test_overlap": "in a validation or test set (clean.test_overlap)",
}
"""Why a pair is dropped for its text, in the order in which the rules are tried."""

MAX_SAMPLES = 5
"""Dropped pairs of each rule that are remembered."""

MAX_SAMPLE_CHARS = 500
"""Of a side of such a pair; what is longer is cut."""


class Cleaned(NamedTuple):
    """What became of a pair."""

    src: str
    tgt: str
    reason: str | None
    """Name of the first of RULES that it breaks, if any."""
    mended: tuple[str, ...]
    """Names of those MENDINGS that changed something."""


class PairCleaner:
    """Mends pairs and says which are to be dropped. Cleaning a pair that was kept again changes nothing.

    Duplicates are not found here, since that takes the whole corpus.

    Args:
        config: The rules.
        src_lang: Language code of the source; of an unknown one, the script is not looked at.
        tgt_lang: The same for the target.
        held_out: What must not be trained on.
    """

    def __init__(
        self, config: CleanConfig, src_lang: str, tgt_lang: str, held_out: HeldOut | None = None
    ) -> None:
        self.config = config
        self._src_lang, self._tgt_lang, self._held_out = src_lang, tgt_lang, held_out
        self._mender = Mender(config)
        self._min_chars, self._max_chars = config.min_chars, config.max_chars or sys.maxsize
        self._max_char_ratio = config.max_char_ratio or math.inf
        self._min_copy_letters, self._drops_garbled = config.min_copy_letters, config.garbled
        self._src_letters, self._tgt_letters = (
            LetterRules(config, src_lang),
            LetterRules(config, tgt_lang),
        )

    @classmethod
    def for_recipe(cls, recipe: Recipe) -> Self:
        """The cleaner of a recipe's training pairs, once its validation and test sets have been read; see also `for_source`.

        Raises:
            MtkitError: One of these cannot be read.
        """
        held_out = None
        if recipe.clean.test_overlap != "off":
            # Mended like the training pairs, or they would not be found among them.
            mend = Mender(recipe.clean).mend
            sources = (*recipe.data.validation, *recipe.data.test)
            pairs = (
                (mend(src)[0], mend(tgt)[0])
                for source in sources
                for src, tgt in read_pairs(source, recipe.data)
            )
            held_out = HeldOut(pairs, recipe.clean.test_overlap) if sources else None
        return cls(recipe.clean, recipe.data.src_lang, recipe.data.tgt_lang, held_out)

    def for_source(self, source: CorpusSource) -> "PairCleaner":
        """The same for one corpus, which may have languages of its own."""
        if source.src_lang is None and source.tgt_lang is None:
            return self
        return PairCleaner(
            self.config,
            source.src_lang or self._src_lang,
            source.tgt_lang or self._tgt_lang,
            self._held_out,
        )

    def clean(self, src: str, tgt: str) -> Cleaned:
        """Mend a pair and judge it."""
        src, src_mended = self._mender.mend(src)
        tgt, tgt_mended = self._mender.mend(tgt)
        mended = (
            tuple(name for name in MENDINGS if name in src_mended or name in tgt_mended)
            if tgt_mended
            else src_mended
        )
        return Cleaned(src, tgt, self._problem(src, tgt), mended)

    def mend(self, text: str) -> str:
        """Mend a text and nothing else."""
        return self._mender.mend(text)[0]

    def _problem(self, src: str, tgt: str) -> str | None:
        if not src or not tgt or src.isspace() or tgt.isspace():
            return "blank"
        if not (
            self._min_chars <= len(src) <= self._max_chars
            and self._min_chars <= len(tgt) <= self._max_chars
        ):
            return "length"
        if self._drops_garbled and (is_garbled(src) or is_garbled(tgt)):
            return "garbled"
        src_problem, tgt_problem = self._src_letters.problem(src), self._tgt_letters.problem(tgt)
        if src_problem is not None or tgt_problem is not None:
            return "letters" if "letters" in (src_problem, tgt_problem) else "script"
        if differ_in_width(src, tgt, self._max_char_ratio):
            return "char_ratio"
        if self._min_copy_letters and is_copy(src, tgt, self._min_copy_letters):
            return "copy"
        if self._held_out is not None and self._held_out.has(src, tgt):
            return "test_overlap"
        return None


class Sample(NamedTuple):
    """A dropped pair, for people to look at."""

    line: int | None
    """Its number in the corpus, from 1, where that is known."""
    src: str
    tgt: str


class Dropped:
    """Counts dropped pairs by reason, remembers the first few of each, and counts what was mended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        """Pairs by what was mended in them, dropped ones included."""
        self.samples: dict[str, list[Sample]] = {}
        self.n_unaligned = 0
        """Pairs that had a word alignment and lost it, because their words are no longer those that were aligned; they stay."""

    def add(self, reason: str, line: int | None, src: str, tgt: str) -> None:
        """Count a dropped pair."""
        self.counts[reason] += 1
        if self.n_wanted(reason):
            self.samples.setdefault(reason, []).append(Sample(line, _cut(src), _cut(tgt)))

    def count_mended(self, names: Iterable[str]) -> None:
        """Count a mended pair."""
        self.mended.update(names)

    def n_wanted(self, reason: str) -> int:
        """How many more samples of a reason would be remembered."""
        return MAX_SAMPLES - len(self.samples.get(reason, ()))

    def merge(self, later: "Dropped") -> None:
        """Add what was counted in the following pairs of the corpus: counted in pieces and merged is counted at once."""
        self.counts.update(later.counts)
        self.mended.update(later.mended)
        self.n_unaligned += later.n_unaligned
        for reason, samples in later.samples.items():
            self.samples.setdefault(reason, []).extend(samples[: self.n_wanted(reason)])

    def as_json(self) -> dict[str, Any]:
        """For a manifest."""
        about = {
            "counts": dict(self.counts),
            "mended": dict(self.mended),
            "samples": {name: list(map(list, kept)) for name, kept in self.samples.items()},
        }
        return about | {"n_unaligned": self.n_unaligned} if self.n_unaligned else about

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        dropped = cls()
        dropped.counts.update(data["counts"])
        dropped.mended.update(data["mended"])
        dropped.samples = {
            name: [Sample(*sample) for sample in kept] for name, kept in data["samples"].items()
        }
        dropped.n_unaligned = data.get("n_unaligned", 0)
        return dropped


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SAMPLE_CHARS else f"{text[:MAX_SAMPLE_CHARS]}..."

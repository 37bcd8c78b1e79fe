"""Pairs of a text and its translation, and the rules by which they are kept."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sacrebleu.metrics.chrf import CHRF

from mtkit.config.clean import CleanConfig
from mtkit.corpus.clean.drop_counts import REASONS
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.languages import word_separator
from mtkit.corpus.repetition import repeated_beyond
from mtkit.evaluation.words import split_words
from mtkit.io.text import read_lines
from mtkit.synthesis.line_selection import DOCUMENT
from mtkit.translation.result import pharaoh

SyntheticSide = Literal["src", "tgt"]

PAIR_REASONS = {
    **{name: REASONS[name] for name in REASONS if name not in ("too_long", "ratio", "duplicate")},
    "looped": "the translation repeats itself, or does not end",
    "short": "the translation is far shorter than its text, or has far fewer sentences",
    "agreement": "the models of both directions do not agree on the pair",
}
"""All rules for synthetic pairs in the order in which they are applied."""


class SyntheticPair(NamedTuple):
    """A text and its translation as a pair of a corpus."""

    src: str
    tgt: str
    reason: str | None
    """The first of PAIR_REASONS that the pair violates, if any."""
    alignment: str = ""
    """Word alignment in Pharaoh format, if there is one."""
    document: int | None = None
    """Number of its document, if the text has documents."""


class PairRules:
    """Makes pairs of records, and decides which to drop.

    Args:
        config: Rules for all pairs; any copy is dropped if copies are dropped at all.
        langs: Language codes of source and target.
        side: The side of the translations.
        held_out: Lines or pairs that the corpus may not contain.
        nearest_reference: Whether the translation of the n best is taken that is nearest the
            reference by sentence-level chrF (sequence-level interpolation; Kim and Rush 2016,
            arXiv:1606.07947), rather than the best one.
    """

    def __init__(
        self,
        config: CleanConfig,
        langs: tuple[str, str],
        side: SyntheticSide,
        held_out: HeldOutKeys | None,
        *,
        nearest_reference: bool = False,
    ) -> None:
        # A genuine pair may be a name in both languages; a model copies what it cannot translate.
        copies = {"min_copy_letters": min(config.min_copy_letters, 1)}
        self._cleaner = PairCleaner(config.model_copy(update=copies), *langs, held_out)
        self._is_src, self._nearest_reference = side == "src", nearest_reference
        self._spaces = all(word_separator(lang) == " " for lang in langs)

    def pair(self, record: dict[str, Any]) -> SyntheticPair:
        """Make a pair of a record with `text` and `translation`."""
        translation = record["translation"]
        text, translated = record["text"], translation["text"]
        if self._nearest_reference:
            candidates = [one["text"] for one in translation["n_best"]]
            translated = nearest(candidates, record["reference"])
        src, tgt = (translated, text) if self._is_src else (text, translated)
        cleaned = self._cleaner.clean(src, tgt)
        reason = cleaned.reason or self._fault(text, translated, translation["flags"])
        alignment = ""
        # Word numbers must still be right.
        if "alignment" in translation and (len(src.split()), len(tgt.split())) == (
            len(cleaned.src.split()),
            len(cleaned.tgt.split()),
        ):
            alignment = pharaoh(translation["alignment"])
        return SyntheticPair(cleaned.src, cleaned.tgt, reason, alignment, record.get(DOCUMENT))

    def pairs(self, translations_path: Path) -> Iterator[SyntheticPair]:
        """Make the pairs of all records of a file."""
        return map(self.pair, read_records(translations_path))

    def _fault(self, text: str, translated: str, flags: Iterable[str]) -> str | None:
        words = (split_words(line, spaces=self._spaces) for line in (text, translated))
        if "looped" in flags or repeated_beyond(*words):
            return "looped"
        return "short" if "short" in flags else None


def nearest(candidates: Sequence[str], reference: str) -> str:
    """Return the candidate nearest a reference by sentence-level chrF; of equals, the first."""
    chrf = CHRF()
    scores = [chrf.sentence_score(candidate, [reference]).score for candidate in candidates]
    return candidates[scores.index(max(scores))]


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Read the JSON objects of a file that `Teacher.translate` wrote."""
    return map(json.loads, read_lines(path, what="the translations"))

"""Validation and test sets, indexed so that their sentences are recognized in training corpora."""

from collections.abc import Iterable
from typing import Literal

from mtkit.corpus.clean.match_keys import normalize_for_matching


class HeldOutKeys:
    """Texts and pairs of validation and test sets, normalized for matching.

    Args:
        pairs: All pairs; they are kept in memory.
        match: `pair`: a training pair matches if both sides do, as translations of each other;
            `either`: if one side does.
    """

    def __init__(
        self, pairs: Iterable[tuple[str, str]], match: Literal["pair", "either"] = "pair"
    ) -> None:
        self._is_either = match == "either"
        normalized = {
            (normalize_for_matching(src), normalize_for_matching(tgt)) for src, tgt in pairs
        }
        # Texts without letters and digits are empty after normalization and match nothing.
        self._texts = frozenset(text for pair in normalized for text in pair if text)
        self._pairs = (
            frozenset()
            if self._is_either
            else frozenset(
                both for src, tgt in normalized if src and tgt for both in ((src, tgt), (tgt, src))
            )
        )

    def contains(self, src: str, tgt: str) -> bool:
        """Whether a pair matches, in either direction, ignoring case and punctuation."""
        # The target first: it is more often English, which is faster to normalize.
        normalized_tgt = normalize_for_matching(tgt)
        if self._is_either:
            return normalized_tgt in self._texts or normalize_for_matching(src) in self._texts
        return (
            normalized_tgt in self._texts
            and (normalize_for_matching(src), normalized_tgt) in self._pairs
        )

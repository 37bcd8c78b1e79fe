"""What training must not see: the validation and test sets, in a form in which their sentences are found again."""

from collections.abc import Iterable
from typing import Literal

from mtkit.corpus.clean.match_keys import normalise_for_matching


class HeldOutKeys:
    """Texts and pairs of validation and test sets, folded.

    Args:
        pairs: All of them; they are kept in memory.
        how: `pair`: a training pair is among them when both sides are, as translations of one another; `either`: when one side is.
    """

    def __init__(
        self, pairs: Iterable[tuple[str, str]], how: Literal["pair", "either"] = "pair"
    ) -> None:
        self._is_either = how == "either"
        folded = {(normalise_for_matching(src), normalise_for_matching(tgt)) for src, tgt in pairs}
        # Texts without letters and digits fold to nothing, and are nothing to be known by.
        self._texts = frozenset(text for pair in folded for text in pair if text)
        self._pairs = (
            frozenset()
            if self._is_either
            else frozenset(
                both for src, tgt in folded if src and tgt for both in ((src, tgt), (tgt, src))
            )
        )

    def contains(self, src: str, tgt: str) -> bool:
        """Whether a pair is among them. Direction makes no difference, nor do case and punctuation."""
        # The target first: it is more often English, which folds faster.
        folded_tgt = normalise_for_matching(tgt)
        if self._is_either:
            return folded_tgt in self._texts or normalise_for_matching(src) in self._texts
        return (
            folded_tgt in self._texts and (normalise_for_matching(src), folded_tgt) in self._pairs
        )

"""Concatenation of two pairs to one: choice of the partners, and the ids of the result."""

import numpy as np
from numpy.typing import NDArray

from mtkit.corpus.languages import word_separator
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword, Tokenizer


def draw_partners(
    rows: NDArray[np.integer],
    rate: float,
    rng: np.random.Generator,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Draw for some pairs another pair that is appended to them.

    A partner also remains a pair of its own, so nothing is lost if the caller drops a partner
    because the result would be too long.

    Args:
        rows: Rows of the store. Shape (N,).
        rate: Fraction of the pairs that get a partner.
        rng: Random generator.
        groups: Corpus of each pair; partners come from the same corpus, as the languages of others
            may differ. Default: one corpus. Shape (N,).
    Returns:
        The partner of each pair, one of `rows`, or -1. Shape (N,).
    """
    n_rows = len(rows)
    is_joined = rng.random(n_rows) < rate
    chance = rng.random(n_rows)
    if groups is None:
        groups = np.zeros(n_rows, np.int64)
    # Sorted by group, each group is a range; a pair draws the distance to its partner within it.
    order = np.argsort(groups, kind="stable")
    _, starts, group_of, sizes = np.unique(
        groups[order], return_index=True, return_inverse=True, return_counts=True
    )
    start, size = starts[group_of], sizes[group_of]
    step = 1 + (chance * (size - 1)).astype(np.int64)
    partner = np.full(n_rows, -1, np.int64)
    partner[order] = rows[order[start + (np.arange(n_rows) - start + step) % size]]
    return np.where(is_joined & (partner != rows), partner, -1)


class PairConcatenator:
    """Concatenates the ids of two lines.

    The subwords of a line begin with a word boundary, so consecutive ids read `a b`. If the
    language is written without spaces, the first subword of the second line is replaced by the
    same one without the boundary; the space remains if the vocabulary has no such subword.

    Args:
        tokenizer: Tokenizer of both sides.
        langs: Language codes of source and target.
    """

    def __init__(self, tokenizer: Tokenizer, langs: tuple[str, str]) -> None:
        self._src = None if word_separator(langs[0]) else _without_boundary(tokenizer.src)
        self._tgt = None if word_separator(langs[1]) else _without_boundary(tokenizer.tgt)

    def src(
        self, first: NDArray[np.integer], second: NDArray[np.integer], n_tags: int = 0
    ) -> NDArray[np.integer]:
        """Concatenate two sources, without the n_tags tags of the second.

        The result has at most as many ids as both together.
        """
        return _concatenate(first, second[n_tags:], self._src)

    def tgt(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.integer]:
        """Concatenate two targets."""
        return _concatenate(first, second, self._tgt)


def _concatenate(
    first: NDArray[np.integer], second: NDArray[np.integer], bare: dict[int, int | None] | None
) -> NDArray[np.integer]:
    if bare is not None and len(second) and (head := int(second[0])) in bare:
        without_boundary, second = bare[head], second[1:]
        if without_boundary is not None:
            second = np.concatenate([np.array([without_boundary], second.dtype), second])
    return np.concatenate([first, second])


def _without_boundary(subword: Subword) -> dict[int, int | None]:
    """Map ids of subwords that begin with a word boundary to the same ones without it.

    None stands for the boundary alone; subwords without a counterpart are left out.
    """
    ids = {
        entry.text: token_id
        for token_id, entry in enumerate(subword.entries())
        if entry.kind == "text"
    }
    heads = {
        token_id: text.removeprefix(WORD_BOUNDARY)
        for text, token_id in ids.items()
        if text.startswith(WORD_BOUNDARY)
    }
    return {token_id: ids.get(rest) for token_id, rest in heads.items() if not rest or rest in ids}

"""Two pairs as one: which go together, and their ids as those of one line."""

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
    """Draw for some pairs another one to be joined to their end.

    A pair that is joined to another also stays by itself, so that nothing is lost when the caller gives up a join that would be too long.

    Args:
        rows: The pairs, as places in the store. Shape (N,).
        rate: Share of them that get a partner.
        rng: Where chance comes from.
        groups: Corpus of each, where pairs of different ones must not be joined, their languages being different. Shape (N,).
    Returns:
        For each the pair joined to it, one of rows, or -1. Shape (N,).
    """
    n_rows = len(rows)
    is_joined = rng.random(n_rows) < rate
    chance = rng.random(n_rows)
    if groups is None:
        groups = np.zeros(n_rows, np.int64)
    # Sorted by group, a group is a range; each draws how many places further in its range the partner stands.
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
    """Joins the ids of two lines to those of one.

    The pieces of a line begin with a word boundary, so that ids in a row read `a b`. Where the language writes no spaces, the second line's first
    piece is replaced by the same without the boundary; a space remains where the vocabulary has no such piece.

    Args:
        tokenizer: Of both sides.
        langs: Language codes of source and target.
    """

    def __init__(self, tokenizer: Tokenizer, langs: tuple[str, str]) -> None:
        self._src = None if word_separator(langs[0]) else _without_boundary(tokenizer.src)
        self._tgt = None if word_separator(langs[1]) else _without_boundary(tokenizer.tgt)

    def src(
        self, first: NDArray[np.integer], second: NDArray[np.integer], n_tags: int = 0
    ) -> NDArray[np.integer]:
        """Ids of both sources in a row, at most as many as the two have; n_tags leading ids of the second are left out."""
        return _joined(first, second[n_tags:], self._src)

    def tgt(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.integer]:
        """The same of the targets."""
        return _joined(first, second, self._tgt)


def _joined(
    first: NDArray[np.integer], second: NDArray[np.integer], bare: dict[int, int | None] | None
) -> NDArray[np.integer]:
    if bare is not None and len(second) and (head := int(second[0])) in bare:
        without = bare[head]
        second = (
            second[1:]
            if without is None
            else np.concatenate([np.array([without], second.dtype), second[1:]])
        )
    return np.concatenate([first, second])


def _without_boundary(subword: Subword) -> dict[int, int | None]:
    """For each piece that begins with a word boundary the one without it; None for the boundary alone. Only those that there are."""
    pieces = {
        piece.text: piece_id
        for piece_id, piece in enumerate(subword.entries())
        if piece.kind == "text"
    }
    heads = {
        piece_id: piece.removeprefix(WORD_BOUNDARY)
        for piece, piece_id in pieces.items()
        if piece.startswith(WORD_BOUNDARY)
    }
    return {
        piece_id: pieces.get(rest) for piece_id, rest in heads.items() if not rest or rest in pieces
    }

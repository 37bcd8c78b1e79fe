"""Which sentence pairs go together: pairs of similar length, so that little of a batch is padding."""

from collections.abc import Sequence
from typing import Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtkit.errors import MtkitError

Indices = NDArray[np.int64]
"""The pairs of one batch, as places in the token store. Shape (B,)."""


class Batches(Sequence[Indices]):
    """Batches as stretches of one array, so that a million of them take no more room than their pairs.

    Args:
        order: The pairs, those of a batch side by side. Shape (N,).
        starts: Where in `order` each batch begins. Shape (n_batches,).
        ends: Where it ends.
    """

    def __init__(self, order: Indices, starts: Indices, ends: Indices) -> None:
        self._order, self._starts, self._ends = order, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> Indices: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> Indices | Self:
        if isinstance(place, slice):
            return type(self)(self._order, self._starts[place], self._ends[place])
        return self._order[self._starts[place] : self._ends[place]]


def make_batches(
    src_lengths: ArrayLike,
    tgt_lengths: ArrayLike,
    max_tokens: int,
    rng: np.random.Generator,
    rows: Indices | None = None,
) -> Batches:
    """Divide a corpus into batches of similar length, each pair in exactly one, and shuffle the batches.

    Pairs are sorted by their longer side; among equals by the difference of the sides, up and down in turn, so that a
    neighbour is close on both sides wherever a batch happens to end. Chance breaks ties and says which way comes first,
    which puts other pairs together in each epoch.

    Args:
        src_lengths: Tokens of each source with its EOS. Shape (N,).
        tgt_lengths: Tokens of each target with its EOS. Shape (N,).
        max_tokens: Largest batch in padded positions of its wider side: B x max(S, T).
        rng: Where chance comes from; the same state gives the same batches.
        rows: What an error calls the pairs, from 0; default their places in the lengths. Shape (N,).
    Returns:
        The batches in the order of training, as places in the lengths.
    Raises:
        MtkitError: A pair alone is longer than max_tokens.
    """
    src, tgt = _checked(src_lengths, tgt_lengths)
    if not len(src):
        return Batches(*np.empty((3, 0), np.int64))
    longer = np.maximum(src, tgt)
    if (length := int(longer.max())) > max_tokens:
        place = int(longer.argmax())
        number = (place if rows is None else int(rows[place])) + 1
        raise MtkitError(
            f"pair {number} of the training data has {length} tokens with its end mark, more than a batch may have ({max_tokens})",
            "raise batches.max_tokens, or lower preprocess.max_length",
        )
    order = _by_length(longer, tgt - src, rng)
    ends = _ends(longer[order], max_tokens)
    starts = np.concatenate([[0], ends[:-1]])
    shuffled = rng.permutation(len(ends))
    return Batches(order, starts[shuffled], ends[shuffled])


def padding_share(
    batches: Sequence[Indices], src_lengths: ArrayLike, tgt_lengths: ArrayLike
) -> float:
    """The share of the positions in these batches, of both sides together, that is padding: 0 is none.

    Args:
        batches: As from make_batches.
        src_lengths: Tokens of each source with its EOS. Shape (N,).
        tgt_lengths: Tokens of each target with its EOS. Shape (N,).
    """
    if not len(batches):
        return 0.0
    src, tgt = _checked(src_lengths, tgt_lengths)
    order = np.concatenate(batches)
    sizes = np.array([len(batch) for batch in batches], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    src, tgt = src[order], tgt[order]
    n_positions = int(sizes @ np.maximum.reduceat(src, starts)) + int(
        sizes @ np.maximum.reduceat(tgt, starts)
    )
    return 1.0 - (int(src.sum()) + int(tgt.sum())) / n_positions


def _checked(
    src_lengths: ArrayLike, tgt_lengths: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    src, tgt = np.asarray(src_lengths, dtype=np.int64), np.asarray(tgt_lengths, dtype=np.int64)
    if src.ndim != 1 or src.shape != tgt.shape:
        raise ValueError(f"lengths of shape {src.shape} and {tgt.shape}; both should be (N,)")
    if len(src) and min(int(src.min()), int(tgt.min())) < 1:
        raise ValueError("a length below 1; lengths count the end mark")
    return src, tgt


def _by_length(
    longer: NDArray[np.int64], difference: NDArray[np.int64], rng: np.random.Generator
) -> Indices:
    # lexsort is stable, so sorting a shuffled corpus is what breaks ties at random; longest first leaves the odd batch at
    # the end to the shortest pairs.
    shuffled = rng.permutation(len(longer))
    primary = -longer[shuffled]
    secondary = difference[shuffled] * (1 - 2 * ((primary + rng.integers(2)) & 1))
    # numpy sorts integers of 16 bits by radix, several times as fast as wider ones.
    narrow = np.int16 if int(longer.max()) <= np.iinfo(np.int16).max else np.int64
    return shuffled[np.lexsort((secondary.astype(narrow), primary.astype(narrow)))]


def _ends(longer: NDArray[np.int64], max_tokens: int) -> Indices:
    """Where each batch ends, given the pairs' lengths in falling order."""
    n, end = len(longer), 0
    stretches = []
    # Batches that begin among pairs of one length are equally large, so one jump takes all of them.
    for end_of_length in [*(np.flatnonzero(np.diff(longer)) + 1).tolist(), n]:
        if end < end_of_length:
            size = max_tokens // int(longer[end])
            n_batches = -(-(end_of_length - end) // size)
            stretches.append(end + size * np.arange(1, n_batches + 1))
            end += size * n_batches
    ends = np.concatenate(stretches)
    ends[-1] = n
    # What remains may be a pair or two, whose update would count as much as a full batch's; it shares with the one before.
    # Its pairs are no longer than those, so the one before, made smaller, leaves room for them.
    if len(ends) > 1:
        start = ends[-3] if len(ends) > 2 else 0
        ends[-2] = min(ends[-2], start + (n - start + 1) // 2)
    return ends

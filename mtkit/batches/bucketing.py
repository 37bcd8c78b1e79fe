"""Bucketing by length: batches of pairs of similar length, so that little of a batch is padding."""

from collections.abc import Sequence
from typing import Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtkit.errors import MtkitError

Indices = NDArray[np.int64]
"""Pairs of one batch, as indices. Shape (B,)."""


class Batches(Sequence[Indices]):
    """Batches as slices of one array, so that a million of them take no more memory than the pairs.

    Args:
        order: Pairs in an order in which those of a batch are adjacent. Shape (N,).
        starts: Index in `order` at which each batch starts. Shape (n_batches,).
        ends: Index in `order` at which each batch ends. Shape (n_batches,).
    """

    def __init__(self, order: Indices, starts: Indices, ends: Indices) -> None:
        self._order, self._starts, self._ends = order, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Indices: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Indices | Self:
        if isinstance(index, slice):
            return type(self)(self._order, self._starts[index], self._ends[index])
        return self._order[self._starts[index] : self._ends[index]]


def make_batches(
    src_lengths: ArrayLike,
    tgt_lengths: ArrayLike,
    max_tokens: int,
    rng: np.random.Generator,
    rows: Indices | None = None,
) -> Batches:
    """Divide a corpus into batches of similar lengths, each pair in exactly one, in random order.

    Pairs are sorted by their longer side; ties by the difference of the sides, alternately in
    ascending and descending order, so that neighbors are similar on both sides wherever a batch
    ends. Remaining ties and the first direction are random, so batches differ between epochs.

    Args:
        src_lengths: Tokens of each source, with EOS. Shape (N,).
        tgt_lengths: Tokens of each target, with EOS. Shape (N,).
        max_tokens: Maximum batch size in padded positions of the wider side: B x max(S, T).
        rng: The same state gives the same batches.
        rows: Row numbers that an error names, from 0; default: the indices. Shape (N,).
    Returns:
        The batches in training order, as indices into the lengths.
    Raises:
        MtkitError: A single pair is longer than max_tokens.
    """
    src, tgt = _checked(src_lengths, tgt_lengths)
    if not len(src):
        return Batches(*np.empty((3, 0), np.int64))
    longer = np.maximum(src, tgt)
    if (length := int(longer.max())) > max_tokens:
        index = int(longer.argmax())
        number = (index if rows is None else int(rows[index])) + 1
        raise MtkitError(
            f"pair {number} of the training data has {length} tokens including EOS, more than"
            f" the batch size ({max_tokens})",
            "raise batches.max_tokens, or lower preprocess.max_length",
        )
    order = _by_length(longer, tgt - src, rng)
    ends = _ends(longer[order], max_tokens)
    starts = np.concatenate([[0], ends[:-1]])
    shuffled = rng.permutation(len(ends))
    return Batches(order, starts[shuffled], ends[shuffled])


def padding_share(
    batches: Sequence[Indices],
    src_lengths: ArrayLike,
    tgt_lengths: ArrayLike,
    src_multiple: int = 1,
) -> float:
    """Return the fraction of the positions of both sides that is padding, from 0 to 1.

    Args:
        batches: Batches of `make_batches`.
        src_lengths: Tokens of each source, with EOS. Shape (N,).
        tgt_lengths: Tokens of each target, with EOS. Shape (N,).
        src_multiple: Widths of sources are multiples of this.
    """
    if not len(batches):
        return 0.0
    src, tgt = _checked(src_lengths, tgt_lengths)
    order = np.concatenate(batches)
    sizes = np.array([len(batch) for batch in batches], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    src, tgt = src[order], tgt[order]
    src_widths = -(-np.maximum.reduceat(src, starts) // src_multiple) * src_multiple
    n_src_positions = int(sizes @ src_widths)
    n_tgt_positions = int(sizes @ np.maximum.reduceat(tgt, starts))
    return 1.0 - (int(src.sum()) + int(tgt.sum())) / (n_src_positions + n_tgt_positions)


def _checked(
    src_lengths: ArrayLike, tgt_lengths: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    src, tgt = np.asarray(src_lengths, dtype=np.int64), np.asarray(tgt_lengths, dtype=np.int64)
    if src.ndim != 1 or src.shape != tgt.shape:
        raise ValueError(f"lengths of shape {src.shape} and {tgt.shape}; both must be (N,)")
    if len(src) and min(int(src.min()), int(tgt.min())) < 1:
        raise ValueError("a length is below 1; lengths include EOS")
    return src, tgt


def _by_length(
    longer: NDArray[np.int64], difference: NDArray[np.int64], rng: np.random.Generator
) -> Indices:
    # lexsort is stable, so sorting a shuffled corpus breaks ties at random. Longest first: the
    # last, incomplete batch then holds the shortest pairs.
    shuffled = rng.permutation(len(longer))
    primary = -longer[shuffled]
    secondary = difference[shuffled] * (1 - 2 * ((primary + rng.integers(2)) & 1))
    # NumPy sorts 16-bit integers by radix, several times as fast as wider ones.
    dtype = np.int16 if int(longer.max()) <= np.iinfo(np.int16).max else np.int64
    return shuffled[np.lexsort((secondary.astype(dtype), primary.astype(dtype)))]


def fill_batches(descending: NDArray[np.int64], max_tokens: int) -> Indices:
    """Return the end of each batch if batches are filled one by one.

    Args:
        descending: Lengths in descending order, none above max_tokens. Shape (N,), with N > 0.
        max_tokens: Maximum batch size in padded positions.
    """
    n, end = len(descending), 0
    runs = []
    # Batches that start at pairs of the same length have the same size, so one step covers them.
    for end_of_length in [*(np.flatnonzero(np.diff(descending)) + 1).tolist(), n]:
        if end < end_of_length:
            size = max_tokens // int(descending[end])
            n_batches = -(-(end_of_length - end) // size)
            runs.append(end + size * np.arange(1, n_batches + 1))
            end += size * n_batches
    ends = np.concatenate(runs)
    ends[-1] = n
    return ends


def _ends(longer: NDArray[np.int64], max_tokens: int) -> Indices:
    """Return the end of each batch; `longer` are the lengths in descending order."""
    n, ends = len(longer), fill_batches(longer, max_tokens)
    # The last batch may be a pair or two, whose update would count as much as a full batch: share
    # the pairs of the last two equally. They fit, as the last pairs are the shorter ones.
    if len(ends) > 1:
        start = ends[-3] if len(ends) > 2 else 0
        ends[-2] = min(ends[-2], start + (n - start + 1) // 2)
    return ends

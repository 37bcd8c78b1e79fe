"""The order of the batches: one for each (seed, epoch), so that a position in the data is two integers."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from mtkit.batches.bucketing import Indices, make_batches, padding_share
from mtkit.corpus.store import TokenStore
from mtkit.errors import MtkitError


class Position(NamedTuple):
    """A place in the endless stream of batches: the next one is this batch of this epoch, both counted from 0."""

    epoch: int
    batch: int


START = Position(epoch=0, batch=0)


class BatchOrder:
    """All epochs' batches, decided by the seed alone.

    Args:
        src_lengths: Tokens of each source with its EOS. Shape (N,).
        tgt_lengths: Tokens of each target with its EOS. Shape (N,).
        max_tokens: Largest batch in padded positions, see make_batches.
        seed: Of the order; not negative.
    Raises:
        MtkitError: There are no pairs, or one is longer than max_tokens.
    """

    def __init__(self, src_lengths: ArrayLike, tgt_lengths: ArrayLike, max_tokens: int, seed: int) -> None:
        self._src_lengths, self._tgt_lengths = np.asarray(src_lengths), np.asarray(tgt_lengths)
        self._max_tokens, self._seed = max_tokens, seed
        if not len(self._src_lengths):
            raise MtkitError("no sentence pairs to train on", "see what `mtkit preprocess` dropped, and why")
        self._current: tuple[int, list[Indices]] = (0, self._make(0))

    @classmethod
    def for_store(cls, store: TokenStore, max_tokens: int, seed: int) -> Self:
        """The order of a token store's pairs, whose lengths do not count the end marks."""
        return cls(store.src_lengths + 1, store.tgt_lengths + 1, max_tokens, seed)

    def batches(self, epoch: int) -> list[Indices]:
        """One epoch's batches: each pair in exactly one of them. The last epoch asked for is kept."""
        kept_epoch, batches = self._current
        if kept_epoch != epoch:
            batches = self._make(epoch)
            # One assignment, so that another thread sees the old epoch or the new one, never half of each.
            self._current = (epoch, batches)
        return batches

    def padding_share(self, epoch: int = 0) -> float:
        """The share of an epoch's positions that is padding."""
        return padding_share(self.batches(epoch), self._src_lengths, self._tgt_lengths)

    def iterate(self, position: Position = START) -> Iterator[tuple[Indices, Position]]:
        """Go through the data from a position on, epoch after epoch, for ever.

        Yields:
            A batch, and the position after it: starting from there gives exactly what is still to come.
        Raises:
            MtkitError: The epoch has fewer batches than that; the data is not what it was when the position was noted.
        """
        epoch, first = position
        if epoch < 0 or first < 0:
            raise ValueError(f"{position} lies before the first batch")
        n_batches = len(self.batches(epoch))
        if first > n_batches:
            raise MtkitError(
                f"cannot continue at batch {first} of epoch {epoch}, which has {n_batches} batches",
                "the training data or batches.max_tokens changed since the checkpoint; restore them, or start a new run",
            )
        return self._iterate_from(epoch, first)

    def _iterate_from(self, epoch: int, first: int) -> Iterator[tuple[Indices, Position]]:
        while True:
            batches = self.batches(epoch)
            for i in range(first, len(batches)):
                yield batches[i], Position(epoch, i + 1) if i + 1 < len(batches) else Position(epoch + 1, 0)
            epoch, first = epoch + 1, 0

    def _make(self, epoch: int) -> list[Indices]:
        return make_batches(self._src_lengths, self._tgt_lengths, self._max_tokens, np.random.default_rng([self._seed, epoch]))

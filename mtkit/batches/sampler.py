"""The order of the batches: one for each (seed, epoch, window), so that a position in the data is three integers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Batches, Indices, make_batches, padding_share
from mtkit.batches.concatenate import draw_partners
from mtkit.batches.gather import BatchRows
from mtkit.batches.mixture import DataMixture
from mtkit.batches.position import START, Position
from mtkit.corpus.sentence_pair import Side
from mtkit.errors import MtkitError


class SupportsLengths(Protocol):
    """What is asked of a token store here: ids in some sentences, without BOS and EOS. Shape of rows."""

    def lengths(self, side: Side, rows: Indices, /) -> NDArray[np.int64]: ...


class Merging(NamedTuple):
    """Which pairs may be joined to one."""

    rate: float
    """Share of the pairs to which another is joined."""
    max_length: int
    """Ids that a side of a joined pair may have, tags not counted."""


NO_MERGING = Merging(0.0, 0)


class Window(NamedTuple):
    """A part of an epoch, divided into batches."""

    epoch: int
    number: int
    rows: Indices
    """Places in the store. Shape (N,)."""
    partners: Indices
    """Pairs joined to them; -1 for none. Shape (N,)."""
    n_tags: Indices
    """Ids before each source that are tags. Shape (N,)."""
    batches: Batches
    """Which of these go together."""

    def batch(self, number: int) -> BatchRows:
        """One of the batches."""
        places = self.batches[number]
        return BatchRows(
            self.rows[places],
            self.partners[places],
            self.n_tags[places],
            Position(self.epoch, self.number, number),
        )


class BatchSampler:
    """All batches of all epochs, decided by the mixture and its seed alone.

    Args:
        store: Knows how long each sentence is.
        mixture: Which pairs each window of each epoch shows.
        max_tokens: Largest batch in padded positions, see make_batches.
        merging: Which pairs are joined.
    """

    def __init__(
        self,
        store: SupportsLengths,
        mixture: DataMixture,
        max_tokens: int,
        merging: Merging = NO_MERGING,
    ) -> None:
        self._store, self._mixture = store, mixture
        self._max_tokens, self._merging = max_tokens, merging
        self._kept: Window | None = None

    def window(self, epoch: int, number: int) -> Window:
        """One window of an epoch. The last one asked for is kept.

        Raises:
            MtkitError: One of its pairs is longer than max_tokens.
        """
        window = self._kept
        if window is None or (window.epoch, window.number) != (epoch, number):
            # One assignment, so that another thread sees the old window or the new one, never half of each.
            self._kept = window = self._make_window(epoch, number)
        return window

    def padding_share(self, window: Window) -> float:
        """The share of a window's positions that is padding."""
        return padding_share(
            window.batches, *self._lengths(window.rows, window.partners, window.n_tags)
        )

    def iterate(self, position: Position = START) -> Iterator[tuple[BatchRows, Position]]:
        """Go through the data from a position on, epoch after epoch, for ever.

        The next window is made ready while this one is gone through.

        Yields:
            The pairs of a batch, and the position after it: starting from there gives exactly what is still to come.
        Raises:
            MtkitError: The epoch has fewer windows, or the window fewer batches; the data is not what it was when the position was noted.
        """
        epoch, number, first = position
        if min(position) < 0:
            raise ValueError(f"{position} lies before the first batch")
        if number >= (n_windows := self._mixture.n_windows(epoch)):
            raise _cannot_continue(
                f"window {number} of epoch {epoch}, which has {n_windows} windows"
            )
        if first > (n_batches := len(self.window(epoch, number).batches)):
            raise _cannot_continue(
                f"batch {first} of window {number} of epoch {epoch}, which has {n_batches} batches"
            )
        return self._iterate_from(position)

    def _iterate_from(self, position: Position) -> Iterator[tuple[BatchRows, Position]]:
        window, first = self.window(position.epoch, position.window), position.batch
        with ThreadPoolExecutor(1, "mtkit-order") as pool:
            while True:
                after = self._following(window)
                following = pool.submit(self.window, *after)
                last = len(window.batches) - 1
                for number in range(first, last + 1):
                    yield (
                        window.batch(number),
                        Position(*after, 0)
                        if number == last
                        else Position(window.epoch, window.number, number + 1),
                    )
                window, first = following.result(), 0

    def _following(self, window: Window) -> tuple[int, int]:
        epoch, number = window.epoch, window.number + 1
        return (epoch, number) if number < self._mixture.n_windows(epoch) else (epoch + 1, 0)

    def _make_window(self, epoch: int, number: int) -> Window:
        rows = self._mixture.rows(epoch, number)
        rng = np.random.default_rng(
            [self._mixture.seed, epoch, number] if number else [self._mixture.seed, epoch]
        )
        n_tags = self._mixture.n_tags(rows)
        partners = np.full(len(rows), -1)
        if self._merging.rate:
            partners = self._drop_long_joins(
                rows,
                draw_partners(rows, self._merging.rate, rng, self._mixture.corpus_of(rows)),
                n_tags,
            )
        batches = make_batches(*self._lengths(rows, partners, n_tags), self._max_tokens, rng, rows)
        return Window(epoch, number, rows, partners, n_tags, batches)

    def _lengths(
        self, rows: Indices, partners: Indices, n_tags: Indices
    ) -> tuple[Indices, Indices]:
        """Ids of sources and targets, with those of their partners and with the end mark."""
        src, tgt = self._store.lengths("src", rows) + 1, self._store.lengths("tgt", rows) + 1
        joined = np.flatnonzero(partners >= 0)
        src[joined] += self._store.lengths("src", partners[joined]) - n_tags[joined]
        tgt[joined] += self._store.lengths("tgt", partners[joined])
        return src, tgt

    def _drop_long_joins(self, rows: Indices, partners: Indices, n_tags: Indices) -> Indices:
        """The partners without those that would make a pair too long."""
        src, tgt = self._lengths(rows, partners, n_tags)
        return np.where(np.maximum(src - n_tags, tgt) - 1 <= self._merging.max_length, partners, -1)


def _cannot_continue(place: str) -> MtkitError:
    return MtkitError(
        f"cannot continue at {place}",
        "the training data, its mix or batches.max_tokens changed since the checkpoint; restore them, or start a new run",
    )

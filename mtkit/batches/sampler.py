"""Order of the batches, determined by (seed, epoch, window): a position is three integers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from mtkit.batches.arrays import START, BatchRows, Position
from mtkit.batches.bucketing import Batches, Indices, make_batches, padding_share
from mtkit.batches.context import (
    NO_CONTEXT,
    ContextLengths,
    ContextOptions,
    SupportsLengths,
    choose_context,
)
from mtkit.batches.mixture import DataMixture
from mtkit.errors import MtkitError


class Merging(NamedTuple):
    """Settings of concatenating pairs (`augment.merge`)."""

    rate: float
    """Fraction of the pairs that another pair is appended to."""
    max_length: int
    """Maximum number of ids of a side of a concatenated pair, without tags."""


NO_MERGING = Merging(0.0, 0)


class Window(NamedTuple):
    """A part of an epoch, divided into batches."""

    epoch: int
    number: int
    rows: Indices
    """Rows of the store. Shape (N,)."""
    partners: Indices
    """Row of the pair appended to each pair; -1 for none. Shape (N,)."""
    n_tags: Indices
    """Number of tags at the start of each source. Shape (N,)."""
    batches: Batches
    """Indices into `rows` of each batch."""
    context: ContextLengths | None = None
    """Previous sentences of each pair; None without."""

    def batch(self, number: int) -> BatchRows:
        """Return one of the batches."""
        indices = self.batches[number]
        return BatchRows(
            self.rows[indices],
            self.partners[indices],
            self.n_tags[indices],
            Position(self.epoch, self.number, number),
            None if self.context is None else self.context.n_context[indices],
        )


class BatchSampler:
    """Samples the batches of all epochs, determined by the mixture and its seed.

    Args:
        store: Returns the lengths of sentences.
        mixture: Pairs of each window of each epoch.
        max_tokens: Maximum batch size in padded positions, see `make_batches`.
        merging: Settings of concatenating pairs.
        context: Settings of the context of pairs.
    """

    def __init__(
        self,
        store: SupportsLengths,
        mixture: DataMixture,
        max_tokens: int,
        merging: Merging = NO_MERGING,
        context: ContextOptions = NO_CONTEXT,
    ) -> None:
        self._store, self._mixture = store, mixture
        self._max_tokens, self._merging, self._context = max_tokens, merging, context
        self._cached: Window | None = None

    def window(self, epoch: int, number: int) -> Window:
        """Return one window of an epoch. The last one is cached.

        Raises:
            MtkitError: A pair is longer than max_tokens.
        """
        window = self._cached
        if window is None or (window.epoch, window.number) != (epoch, number):
            # A single assignment: another thread sees the old window or the new one.
            self._cached = window = self._make_window(epoch, number)
        return window

    def padding_share(self, window: Window, src_multiple: int = 1) -> float:
        """Return the fraction of the positions of a window that is padding.

        Args:
            window: One of this sampler's windows.
            src_multiple: Widths of sources are multiples of this.
        """
        return padding_share(window.batches, *self.lengths(window), src_multiple)

    def lengths(self, window: Window) -> tuple[Indices, Indices]:
        """Return the lengths of the sources and targets of a window, with EOS. Shape (N,) each."""
        return self._lengths(window.rows, window.partners, window.n_tags, window.context)

    def iterate(self, position: Position = START) -> Iterator[tuple[BatchRows, Position]]:
        """Iterate over the batches from a position on, epoch after epoch, without end.

        The next window is prepared in a thread while this one is iterated over.

        Yields:
            The rows of a batch, and the position after it: iterating from there continues exactly.
        Raises:
            MtkitError: The epoch has fewer windows, or the window has fewer batches: the data
                changed since the position was saved.
        """
        epoch, number, first = position
        if min(position) < 0:
            raise ValueError(f"{position} is before the first batch")
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
            from mtkit.batches.concatenate import draw_partners

            corpora = self._mixture.corpus_of(rows)
            partners = draw_partners(rows, self._merging.rate, rng, corpora)
            partners = self._drop_long_joins(rows, partners, n_tags)
        context = None
        if self._context.n:
            context = choose_context(self._store, rows, n_tags, self._context)
        lengths = self._lengths(rows, partners, n_tags, context)
        batches = make_batches(*lengths, self._max_tokens, rng, rows)
        return Window(epoch, number, rows, partners, n_tags, batches, context)

    def _lengths(
        self, rows: Indices, partners: Indices, n_tags: Indices, context: ContextLengths | None
    ) -> tuple[Indices, Indices]:
        """Return the lengths of sources and targets, with their partners, context and EOS."""
        src, tgt = self._store.lengths("src", rows) + 1, self._store.lengths("tgt", rows) + 1
        joined = np.flatnonzero(partners >= 0)
        src[joined] += self._store.lengths("src", partners[joined]) - n_tags[joined]
        tgt[joined] += self._store.lengths("tgt", partners[joined])
        if context is not None:
            src, tgt = src + context.src_lengths, tgt + context.tgt_lengths
        return src, tgt

    def _drop_long_joins(self, rows: Indices, partners: Indices, n_tags: Indices) -> Indices:
        """Return the partners without those that would make a pair too long."""
        src, tgt = self._lengths(rows, partners, n_tags, None)
        return np.where(np.maximum(src - n_tags, tgt) - 1 <= self._merging.max_length, partners, -1)


def _cannot_continue(where: str) -> MtkitError:
    return MtkitError(
        f"cannot continue at {where}",
        "the training data, its mixture or batches.max_tokens changed since the checkpoint;"
        " restore them, or start a new run",
    )

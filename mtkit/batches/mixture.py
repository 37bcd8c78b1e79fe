"""Which pairs of which corpora an epoch shows: all decided by the seed and the number of the epoch."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.batches.shuffled_stream import CHUNK, ShuffledStream
from mtkit.config.data import DataConfig, Stage, corpus_name
from mtkit.corpus.store.token_store import StoredCorpus
from mtkit.errors import MtkitError

WINDOW = 1 << 20
"""Pairs that are sorted into batches at a time, which bounds the memory; and from how many rows on a corpus is large."""


class MixtureStage(NamedTuple):
    """A mix that holds for some epochs."""

    first_epoch: int
    """Its first epoch, from 0; the stage ends where the next one begins."""
    weights: Sequence[float]
    """How often an epoch shows each pair, before the temperature: one number for each corpus."""
    temperature: float = 1.0
    """Shares of an epoch are weighted sizes to the power of 1/temperature."""


class DataMixture:
    """How corpora are mixed.

    Each corpus is an endless stream of its pairs (see ShuffledStream). An epoch takes the next so many of each, which gives every pair its turn
    whatever the weights, and goes through them in windows that have the same mix.

    Args:
        corpora: In the order of their rows.
        stages: In the order of their epochs; the first begins with epoch 0.
        seed: Of the order; not negative.
        window: Pairs in a window; it may have one more for each corpus.
        chunk: Rows that stay together in a corpus of more than a window.
    Raises:
        MtkitError: There are no pairs, or a stage shows none.
    """

    def __init__(
        self,
        corpora: Sequence[StoredCorpus],
        stages: Sequence[MixtureStage],
        seed: int,
        *,
        window: int = WINDOW,
        chunk: int = CHUNK,
    ) -> None:
        self.corpora, self.stages, self.seed = tuple(corpora), tuple(stages), seed
        self._window = window
        self._sizes = np.array([corpus.n_pairs for corpus in corpora], dtype=np.int64)
        self._firsts = np.array([corpus.first for corpus in corpora], dtype=np.int64)
        self._n_tags = np.array([corpus.n_tags for corpus in corpora], dtype=np.int64)
        if not self._sizes.any():
            raise MtkitError(
                "no sentence pairs to train on", "see what `mtkit preprocess` dropped, and why"
            )
        self._counts = [_counts(self._sizes, stage) for stage in stages]
        for number, counts in enumerate(self._counts, start=1):
            if not counts.any():
                which = f"stage {number} of data.stages" if len(stages) > 1 else "the mix"
                raise MtkitError(
                    f"{which} shows no pairs: every corpus that holds some has weight 0",
                    "give one of them a weight above 0",
                )
        self._passes = [
            ShuffledStream(corpus.n_pairs, seed, number, chunk if corpus.n_pairs > window else 1)
            for number, corpus in enumerate(self.corpora)
        ]

    @classmethod
    def plain(cls, corpora: Sequence[StoredCorpus], seed: int, *, window: int = WINDOW) -> Self:
        """Every pair once an epoch."""
        return cls(corpora, [MixtureStage(0, [1.0] * len(corpora))], seed, window=window)

    @classmethod
    def for_config(cls, data: DataConfig, corpora: Sequence[StoredCorpus], seed: int) -> Self:
        """The mix of a recipe.

        Args:
            data: The recipe's section.
            corpora: Of the token store, made from data.train.
            seed: Of the order.
        """
        if len(corpora) != len(data.train):
            raise MtkitError(
                f"the token store holds {len(corpora)} corpora, and data.train names {len(data.train)}",
                "remove the store; `mtkit preprocess` makes it anew",
            )
        names = [corpus_name(source) for source in data.train]
        begins = [0, *(stage.until_epoch for stage in data.stages if stage.until_epoch is not None)]
        stages = []
        for begin, stage in zip(begins, data.stages or (Stage(),), strict=True):
            weights = [
                stage.weights.get(name, source.weight)
                for name, source in zip(names, data.train, strict=True)
            ]
            stages.append(MixtureStage(begin, weights, stage.temperature or data.temperature))
        named = [corpus._replace(name=name) for corpus, name in zip(corpora, names, strict=True)]
        return cls(named, stages, seed)

    def stage(self, epoch: int) -> int:
        """Number of the stage to which an epoch belongs, from 0."""
        return sum(stage.first_epoch <= epoch for stage in self.stages) - 1

    def counts(self, epoch: int) -> list[int]:
        """Pairs of each corpus that an epoch shows."""
        return self._counts[self.stage(epoch)].tolist()

    def n_windows(self, epoch: int) -> int:
        """Windows of an epoch."""
        return -(-sum(self.counts(epoch)) // self._window)

    def rows(self, epoch: int, window: int) -> Indices:
        """The rows of a window, in rising order; a row that it shows several times comes several times."""
        n_windows = self.n_windows(epoch)
        parts = []
        for corpus, passes, count, begin in zip(
            self.corpora, self._passes, self.counts(epoch), self._stream_offsets(epoch), strict=True
        ):
            if count:
                parts.append(
                    corpus.first
                    + passes.rows(
                        begin + count * window // n_windows,
                        begin + count * (window + 1) // n_windows,
                    )
                )
        return np.concatenate(parts)

    def corpus_of(self, rows: Indices) -> Indices:
        """Number of the corpus to which each row belongs. Shape of rows."""
        # Of corpora that begin at the same row, all but the last are empty.
        return np.searchsorted(self._firsts, rows, side="right") - 1

    def n_tags(self, rows: Indices) -> Indices:
        """Ids before each row's source that are tags. Shape of rows."""
        return self._n_tags[self.corpus_of(rows)]

    def counts_until(self, epoch: int) -> list[list[Any]]:
        """What the epochs before this one have shown, for comparing: [first epoch, pairs of each corpus] for each change of the mix."""
        told: list[list[Any]] = []
        for stage, counts in zip(self.stages, self._counts, strict=True):
            if stage.first_epoch < epoch and not (told and told[-1][1] == counts.tolist()):
                told.append([stage.first_epoch, counts.tolist()])
        return told

    def _stream_offsets(self, epoch: int) -> list[int]:
        """Where in each corpus' stream an epoch begins."""
        ends = [min(stage.first_epoch, epoch) for stage in self.stages[1:]]
        n_epochs = [last - first for first, last in pairwise([0, *ends, epoch])]
        return [
            sum(n * int(counts[corpus]) for n, counts in zip(n_epochs, self._counts, strict=True))
            for corpus in range(len(self.corpora))
        ]

    def describe(self, epoch: int) -> Iterator[str]:
        """The mix of an epoch for people, line by line."""
        counts = self.counts(epoch)
        yield f"{self._stage_prefix(epoch)}an epoch shows {sum(counts):,} pairs"
        for corpus, count in zip(self.corpora, counts, strict=True):
            times = count / max(1, corpus.n_pairs)
            yield f"  {corpus.name}: {count:,}, {100 * count / sum(counts):.1f} %; each of its {corpus.n_pairs:,} pairs {times:.3g} times"

    def summary(self, epoch: int) -> str:
        """The same in one line."""
        counts = self.counts(epoch)
        shares = (
            f"{corpus.name} {100 * count / sum(counts):.1f} %"
            for corpus, count in zip(self.corpora, counts, strict=True)
            if count
        )
        return (
            f"{self._stage_prefix(epoch)}an epoch shows {sum(counts):,} pairs, {', '.join(shares)}"
        )

    def _stage_prefix(self, epoch: int) -> str:
        if len(self.stages) == 1:
            return ""
        number = self.stage(epoch)
        begin = self.stages[number].first_epoch + 1
        until = (
            f"to {self.stages[number + 1].first_epoch}" if number + 1 < len(self.stages) else "on"
        )
        return f"stage {number + 1} of {len(self.stages)}, from epoch {begin} {until}: "


def _counts(sizes: NDArray[np.int64], stage: MixtureStage) -> NDArray[np.int64]:
    """How many pairs of each corpus an epoch shows: as many together as without temperature."""
    amounts = sizes * np.asarray(stage.weights, dtype=np.float64)
    if not amounts.any():
        return np.zeros_like(sizes)
    is_shown = amounts > 0
    # Divided by the largest first, because a low temperature makes the powers overflow.
    powers = np.where(is_shown, (amounts / amounts.max()) ** (1 / stage.temperature), 0)
    counts = np.rint(amounts.sum() * (powers / powers.sum())).astype(np.int64)
    return np.where(is_shown, np.maximum(counts, 1), 0)

"""Data mixture: the pairs of each corpus in an epoch, determined by the seed and the epoch."""

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
"""Pairs that are bucketed at a time, which bounds memory. A larger corpus counts as large."""


class MixtureStage(NamedTuple):
    """A mixture that is used in some epochs."""

    first_epoch: int
    """First epoch, counted from 0; the stage ends where the next one begins."""
    weights: Sequence[float]
    """How often an epoch contains each pair, before the temperature; one number per corpus."""
    temperature: float = 1.0
    """Shares are proportional to (weight x size) ** (1 / temperature)."""


class DataMixture:
    """A mixture of corpora.

    Each corpus is an endless stream of its pairs, see ShuffledStream. An epoch takes the next few
    pairs of each stream, so every pair gets its turn whatever the weights are. It is divided into
    windows that have the same mixture.

    Args:
        corpora: Corpora in the order of their rows.
        stages: Stages in the order of their epochs; the first one begins with epoch 0.
        seed: Seed of the order; not negative.
        window: Pairs in a window, plus at most one per corpus.
        chunk: Consecutive rows that are shuffled as one, in a corpus larger than a window.
    Raises:
        MtkitError: There are no pairs, or a stage contains none.
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
                "no sentence pairs to train on", "`mtkit preprocess` reports why pairs are dropped"
            )
        self._counts = [_counts(self._sizes, stage) for stage in stages]
        for number, counts in enumerate(self._counts, start=1):
            if not counts.any():
                which = f"stage {number} of data.stages" if len(stages) > 1 else "the mixture"
                raise MtkitError(
                    f"{which} contains no pairs: all non-empty corpora have weight 0",
                    "set a weight above 0",
                )
        self._streams = [
            ShuffledStream(corpus.n_pairs, seed, number, chunk if corpus.n_pairs > window else 1)
            for number, corpus in enumerate(self.corpora)
        ]

    @classmethod
    def plain(cls, corpora: Sequence[StoredCorpus], seed: int, *, window: int = WINDOW) -> Self:
        """Return the mixture in which each epoch contains every pair once."""
        return cls(corpora, [MixtureStage(0, [1.0] * len(corpora))], seed, window=window)

    @classmethod
    def for_config(cls, data: DataConfig, corpora: Sequence[StoredCorpus], seed: int) -> Self:
        """Return the mixture of a recipe.

        Args:
            data: Section `data:` of the recipe.
            corpora: Corpora of the token store that was made from data.train.
            seed: Seed of the order.
        """
        if len(corpora) != len(data.train):
            raise MtkitError(
                f"the token store has {len(corpora)} corpora, but data.train has {len(data.train)}",
                "remove the store and run `mtkit preprocess` again",
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
        """Return the index of the stage that an epoch belongs to."""
        return sum(stage.first_epoch <= epoch for stage in self.stages) - 1

    def counts(self, epoch: int) -> list[int]:
        """Return the number of pairs of each corpus in an epoch."""
        return self._counts[self.stage(epoch)].tolist()

    def n_windows(self, epoch: int) -> int:
        """Return the number of windows of an epoch."""
        return -(-sum(self.counts(epoch)) // self._window)

    def rows(self, epoch: int, window: int) -> Indices:
        """Return the rows of a window in ascending order, repeated ones several times."""
        n_windows = self.n_windows(epoch)
        parts = []
        for corpus, stream, count, begin in zip(
            self.corpora,
            self._streams,
            self.counts(epoch),
            self._stream_offsets(epoch),
            strict=True,
        ):
            if count:
                first = begin + count * window // n_windows
                end = begin + count * (window + 1) // n_windows
                parts.append(corpus.first + stream.rows(first, end))
        return np.concatenate(parts)

    def corpus_of(self, rows: Indices) -> Indices:
        """Return the index of the corpus of each row, in the shape of `rows`."""
        # Empty corpora begin at the same row as the next one; side="right" finds the last of them.
        return np.searchsorted(self._firsts, rows, side="right") - 1

    def n_tags(self, rows: Indices) -> Indices:
        """Return the number of tags at the start of each source, in the shape of `rows`."""
        return self._n_tags[self.corpus_of(rows)]

    def counts_until(self, epoch: int) -> list[list[Any]]:
        """Return the mixture of the epochs before this one, for comparison with another run.

        A list of [first epoch, pairs of each corpus], one for each change of the mixture.
        """
        changes: list[list[Any]] = []
        for stage, counts in zip(self.stages, self._counts, strict=True):
            if stage.first_epoch < epoch and not (changes and changes[-1][1] == counts.tolist()):
                changes.append([stage.first_epoch, counts.tolist()])
        return changes

    def _stream_offsets(self, epoch: int) -> list[int]:
        """Return the position in each stream at which an epoch begins."""
        ends = [min(stage.first_epoch, epoch) for stage in self.stages[1:]]
        n_epochs = [last - first for first, last in pairwise([0, *ends, epoch])]
        return [
            sum(n * int(counts[corpus]) for n, counts in zip(n_epochs, self._counts, strict=True))
            for corpus in range(len(self.corpora))
        ]

    def describe(self, epoch: int) -> Iterator[str]:
        """Describe the mixture of an epoch, one line per corpus."""
        counts = self.counts(epoch)
        yield f"{self._stage_prefix(epoch)}{sum(counts):,} pairs per epoch"
        for corpus, count in zip(self.corpora, counts, strict=True):
            share, times = 100 * count / sum(counts), count / max(1, corpus.n_pairs)
            yield (
                f"  {corpus.name}: {count:,} ({share:.1f} %),"
                f" each of its {corpus.n_pairs:,} pairs {_times(times)}"
            )

    def summary(self, epoch: int) -> str:
        """Describe the mixture of an epoch in one line."""
        counts = self.counts(epoch)
        shares = (
            f"{corpus.name} {100 * count / sum(counts):.1f} %"
            for corpus, count in zip(self.corpora, counts, strict=True)
            if count
        )
        total = f"{sum(counts):,} pairs per epoch"
        return f"{self._stage_prefix(epoch)}{total}, {', '.join(shares)}"

    def _stage_prefix(self, epoch: int) -> str:
        if len(self.stages) == 1:
            return ""
        number = self.stage(epoch)
        begin = self.stages[number].first_epoch + 1
        if number + 1 == len(self.stages):
            epochs = f"from epoch {begin} on"
        else:
            epochs = f"epochs {begin} to {self.stages[number + 1].first_epoch}"
        return f"stage {number + 1} of {len(self.stages)}, {epochs}: "


def _counts(sizes: NDArray[np.int64], stage: MixtureStage) -> NDArray[np.int64]:
    """Return the pairs of each corpus in an epoch; temperature does not change their sum."""
    amounts = sizes * np.asarray(stage.weights, dtype=np.float64)
    if not amounts.any():
        return np.zeros_like(sizes)
    is_used = amounts > 0
    # Divided by the maximum first, because powers overflow at low temperatures.
    powers = np.where(is_used, (amounts / amounts.max()) ** (1 / stage.temperature), 0)
    counts = np.rint(amounts.sum() * (powers / powers.sum())).astype(np.int64)
    return np.where(is_used, np.maximum(counts, 1), 0)


def _times(n: float) -> str:
    number = f"{n:.3g}"
    return "once" if number == "1" else f"{number} times"

"""Sentences altered, and split into other pieces, on their way from the store to the model: other ids in each epoch."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.config.augment import Alteration, AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.corpus.augment.alterations import alter_pair, draw_alterations
from mtkit.tokenizer.subword import Tokenizer
from mtkit.tokenizer.subword_sampling import SubwordSampler

GROUP_SIZE = 32
"""Batches that are rewritten together, so that they can be dealt anew by their new lengths. Rewritten alone, batches of short sentences would be
more than half padding, because the longest of several hundred rewritten sentences is much longer than most."""

Rows = Sequence[NDArray[np.integer]]
"""Ids of sentences, without BOS and EOS. Shape (length,) each."""

PairsById = dict[int, tuple[list[int], list[int]]]
"""Ids of source and target without tags, by the pair's place."""


class TaggedPairs(NamedTuple):
    """Some pairs, such as those of a batch."""

    src: Rows
    """With their tags."""
    tgt: Rows
    n_tags: list[int]
    """Leading ids of each source that are tags, and stay."""


class RebatchedPairs(NamedTuple):
    """The pairs of a batch that was made anew."""

    src: Rows
    tgt: Rows
    places: Indices
    """Of these pairs among all that were dealt. Shape (B,)."""


class OnlineAugmenter:
    """Alters pairs as `augment:` says and splits them into pieces as `sampling:` says.

    To alter a pair, its text is had back from the ids and encoded again. All chance comes from the seed and the position in the data, so that it
    makes no difference which process does it, or after what. A pair stays as it is when a side holds UNK, whose text is lost, and when its new ids
    are none, hold UNK, or are too many.

    Args:
        tokenizer: Of both sides.
        sampling: How pieces are drawn.
        augment: How pairs are altered; `merge` is the order's affair.
        langs: Language codes of source and target.
        seed: Not negative.
        max_length: Most ids of a side, tags not counted.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sampling: SamplingConfig,
        augment: AugmentConfig,
        langs: tuple[str, str],
        seed: int,
        max_length: int,
    ) -> None:
        self._tokenizer, self._augment = tokenizer, augment
        self._langs, self._seed, self._max_length = langs, seed, max_length
        self._src_sampler = self._tgt_sampler = None
        if sampling.samples_src:
            self._src_sampler = SubwordSampler(
                tokenizer.src,
                dropout=sampling.src_dropout,
                alpha=sampling.src_alpha,
                n_best=sampling.n_best,
            )
        if sampling.samples_tgt:
            self._tgt_sampler = SubwordSampler(
                tokenizer.tgt,
                dropout=sampling.tgt_dropout,
                alpha=sampling.tgt_alpha,
                n_best=sampling.n_best,
            )

    @classmethod
    def for_recipe(cls, recipe: Recipe, tokenizer: Tokenizer) -> Self | None:
        """The rewriter of a recipe; None where it neither alters nor samples."""
        sampling, augment = recipe.sampling, recipe.augment
        if not (sampling.samples_src or sampling.samples_tgt or any(augment.shares.values())):
            return None
        langs = (recipe.data.src_lang, recipe.data.tgt_lang)
        return cls(
            tokenizer, sampling, augment, langs, recipe.training.seed, recipe.preprocess.max_length
        )

    def augment_group(
        self, batches: Sequence[TaggedPairs], position: tuple[int, ...]
    ) -> list[RebatchedPairs]:
        """Rewrite batches that follow one another, and deal their pairs to as many batches anew, so that little is padding.

        Args:
            batches: GROUP of them, fewer at the end of the order.
            position: Of the first in the data; from 0, in steps of GROUP.
        Returns:
            As many batches. They hold as many more ids as the rewriting made.
        """
        sides = ([row for rows in side for row in rows] for side in zip(*batches, strict=True))
        src, tgt = self.augment(TaggedPairs(*sides), position)
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(*position, 1)))
        lengths = np.array([max(len(a), len(b)) + 1 for a, b in zip(src, tgt, strict=True)])
        return [
            RebatchedPairs([src[i] for i in dealt], [tgt[i] for i in dealt], dealt)
            for dealt in rebatch(lengths, len(batches), rng)
        ]

    def augment(self, pairs: TaggedPairs, position: tuple[int, ...]) -> tuple[Rows, Rows]:
        """Rewrite pairs.

        Args:
            pairs: What the store holds, or what was joined from it.
            position: In the data.
        Returns:
            As many sources and targets. What did not change is the same object.
        """
        alter_seed, *sample_seeds = (
            np.random.SeedSequence(self._seed, spawn_key=(*position, 0)).generate_state(3).tolist()
        )
        rng = Random(alter_seed)
        src, tgt = list(pairs.src), list(pairs.tgt)
        names = draw_alterations(self._augment, len(src), rng)
        touched = range(len(src)) if self._src_sampler or self._tgt_sampler else sorted(names)
        old: PairsById = {i: (src[i][pairs.n_tags[i] :].tolist(), tgt[i].tolist()) for i in touched}
        old = {i: pair for i, pair in old.items() if not self._has_unk(pair)}
        new = self._sampled(
            old | self._altered({i: pair for i, pair in old.items() if i in names}, names, rng),
            sample_seeds,
        )
        for i, pair in new.items():
            if not all(pair) or max(map(len, pair)) > self._max_length or self._has_unk(pair):
                continue
            if pair[0] != old[i][0]:
                src[i] = np.concatenate(
                    [src[i][: pairs.n_tags[i]], np.array(pair[0], src[i].dtype)]
                )
            if pair[1] != old[i][1]:
                tgt[i] = np.array(pair[1], tgt[i].dtype)
        return src, tgt

    def _has_unk(self, pair: tuple[list[int], list[int]]) -> bool:
        return (
            self._tokenizer.src.special.unk in pair[0] or self._tokenizer.tgt.special.unk in pair[1]
        )

    def _altered(self, pairs: PairsById, names: dict[int, Alteration], rng: Random) -> PairsById:
        src, tgt = self._tokenizer.src, self._tokenizer.tgt
        texts = zip(
            src.decode([a for a, _ in pairs.values()], n_threads=1),
            tgt.decode([b for _, b in pairs.values()], n_threads=1),
            strict=True,
        )
        altered = [
            alter_pair(names[i], a, [b], rng, self._langs)
            for i, (a, b) in zip(pairs, texts, strict=True)
        ]
        new_src, new_tgt = (
            src.encode([a for a, _ in altered], n_threads=1),
            tgt.encode([b for _, (b,) in altered], n_threads=1),
        )
        return dict(zip(pairs, zip(new_src, new_tgt, strict=True), strict=True))

    def _sampled(self, pairs: PairsById, seeds: Sequence[int]) -> PairsById:
        src, tgt = [a for a, _ in pairs.values()], [b for _, b in pairs.values()]
        if self._src_sampler:
            src = self._src_sampler.sample(src, seeds[0])
        if self._tgt_sampler:
            tgt = self._tgt_sampler.sample(tgt, seeds[1])
        return dict(zip(pairs, zip(src, tgt, strict=True), strict=True))


def rebatch(
    lengths: NDArray[np.integer], n_batches: int, rng: np.random.Generator
) -> list[Indices]:
    """Divide pairs into batches of similar length, none of them with many more padded positions than another.

    Args:
        lengths: Tokens of each pair's longer side with its EOS. Shape (N,).
        n_batches: How many batches; at most N.
        rng: Breaks ties and shuffles the batches.
    Returns:
        The pairs of each batch, each pair in exactly one.
    """
    shuffled = rng.permutation(len(lengths))
    order = shuffled[np.argsort(-lengths[shuffled], kind="stable")]
    falling = lengths[order].tolist()
    # The smallest size of batch with which they are not too many; what a batch too few leaves over goes to the largest.
    low, high = falling[0], falling[0] * len(falling)
    while low < high:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if len(_ends(falling, middle)) <= n_batches else (middle + 1, high)
        )
    ends = _ends(falling, low)
    while len(ends) < n_batches:
        starts = [0, *ends[:-1]]
        size, start = max((end - start, start) for start, end in zip(starts, ends, strict=True))
        ends = sorted([*ends, start + size // 2])
    batches = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return [batches[i] for i in rng.permutation(n_batches)]


def _ends(falling: list[int], max_tokens: int) -> list[int]:
    """Where each batch ends when they are filled one by one, given lengths in falling order, none above max_tokens."""
    ends, end = [], 0
    while end < len(falling):
        end = min(end + max_tokens // falling[end], len(falling))
        ends.append(end)
    return ends

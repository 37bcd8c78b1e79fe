"""Sentences altered, and split into other pieces, on their way from the store to the model: other ids in each epoch."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices
from mtkit.config.augment import AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.corpus.augment import alter, draw_alterations
from mtkit.tokenizer.subword import Subword, Tokenizer

GROUP = 32
"""Batches that are rewritten together, so that they can be dealt anew by their new lengths. Rewritten alone, batches of short sentences would be
more than half padding, because the longest of several hundred rewritten sentences is much longer than most."""

Rows = list[NDArray[np.integer]]
"""Ids of sentences, without BOS and EOS. Shape (length,) each."""


class Pairs(NamedTuple):
    """The pairs of a batch."""

    src: Rows
    """With their tags."""
    tgt: Rows
    n_tags: list[int]
    """Leading ids of each source that are tags, and stay."""


class Rewriter:
    """Alters pairs as `augment:` says and splits them into pieces as `sampling:` says.

    The text is had back from the ids, altered, and encoded again. All chance comes from the seed and the position in the data, so that it makes no
    difference which process does it, or after what. A pair stays as it is when a side holds UNK, whose text is lost, and when its new ids are none,
    hold UNK, or are too many.

    Args:
        tokenizer: Of both sides.
        sampling: How pieces are drawn.
        augment: How pairs are altered; `merge` is the order's affair.
        langs: Language codes of source and target.
        seed: Not negative.
        max_length: Most ids of a side, tags not counted.
    """

    def __init__(
        self, tokenizer: Tokenizer, sampling: SamplingConfig, augment: AugmentConfig, langs: tuple[str, str], seed: int, max_length: int
    ) -> None:
        self._tokenizer, self._sampling, self._augment = tokenizer, sampling, augment
        self._langs, self._seed, self._max_length = langs, seed, max_length

    @classmethod
    def for_recipe(cls, recipe: Recipe, tokenizer: Tokenizer) -> Self | None:
        """The rewriter of a recipe; None where it neither alters nor samples."""
        sampling, augment = recipe.sampling, recipe.augment
        if not (sampling.samples_src or sampling.samples_tgt or any(augment.shares.values())):
            return None
        langs = (recipe.data.src_lang, recipe.data.tgt_lang)
        return cls(tokenizer, sampling, augment, langs, recipe.training.seed, recipe.preprocess.max_length)

    def rewrite_group(self, batches: Sequence[Pairs], position: tuple[int, ...]) -> list[tuple[Rows, Rows]]:
        """Rewrite batches that follow one another, and deal their pairs to as many batches anew, so that little is padding.

        Args:
            batches: GROUP of them, fewer at the end of the order.
            position: Of the first in the data; from 0, in steps of GROUP.
        Returns:
            Sources and targets of as many batches. They hold as many more ids as the rewriting made.
        """
        whole = Pairs(*([row for rows in side for row in rows] for side in zip(*batches, strict=True)))
        src, tgt = self.rewrite(*whole, position)
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(*position, 1)))
        lengths = np.array([max(len(a), len(b)) + 1 for a, b in zip(src, tgt, strict=True)])
        return [([src[i] for i in dealt], [tgt[i] for i in dealt]) for dealt in deal(lengths, len(batches), rng)]

    def rewrite(self, src_rows: Rows, tgt_rows: Rows, n_tags: list[int], position: tuple[int, ...]) -> tuple[Rows, Rows]:
        """Rewrite pairs.

        Args:
            src_rows: Sources with their tags.
            tgt_rows: Targets; as many.
            n_tags: Leading ids of each source that are tags, and stay.
            position: In the data.
        Returns:
            As many sources and targets. What did not change is the same object.
        """
        alter_seed, *sample_seeds = np.random.SeedSequence(self._seed, spawn_key=(*position, 0)).generate_state(3).tolist()
        rng = Random(alter_seed)
        names = draw_alterations(self._augment, len(src_rows), rng)
        samples_src, samples_tgt = self._sampling.samples_src, self._sampling.samples_tgt
        touched = range(len(src_rows)) if samples_src or samples_tgt else sorted(names)
        src: dict[int, list[int]] = {i: src_rows[i][n_tags[i] :].tolist() for i in touched}
        tgt: dict[int, list[int]] = {i: tgt_rows[i].tolist() for i in touched}
        src_unk, tgt_unk = self._tokenizer.src.special.unk, self._tokenizer.tgt.special.unk
        known = [i for i in touched if src_unk not in src[i] and tgt_unk not in tgt[i]]
        altered = [i for i in known if i in names]
        # A side whose pieces are not drawn is encoded again only where it is altered.
        src_texts = _decoded(self._tokenizer.src, src, known if samples_src else altered)
        tgt_texts = _decoded(self._tokenizer.tgt, tgt, known if samples_tgt else altered)
        for i in altered:
            src_texts[i], (tgt_texts[i],) = alter(names[i], src_texts[i], [tgt_texts[i]], rng, self._langs)
        new_src, new_tgt = self._encoded(src_texts, tgt_texts, *sample_seeds)
        src_rows, tgt_rows = list(src_rows), list(tgt_rows)
        for i in known:
            src_ids, tgt_ids = new_src.get(i, src[i]), new_tgt.get(i, tgt[i])
            is_too_long = max(len(src_ids), len(tgt_ids)) > self._max_length
            if not src_ids or not tgt_ids or is_too_long or src_unk in src_ids or tgt_unk in tgt_ids:
                continue
            if src_ids != src[i]:
                src_rows[i] = np.concatenate([src_rows[i][: n_tags[i]], np.array(src_ids, src_rows[i].dtype)])
            if tgt_ids != tgt[i]:
                tgt_rows[i] = np.array(tgt_ids, tgt_rows[i].dtype)
        return src_rows, tgt_rows

    def _encoded(
        self, src_texts: dict[int, str], tgt_texts: dict[int, str], src_seed: int, tgt_seed: int
    ) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        config, (src, tgt) = self._sampling, (self._tokenizer.src, self._tokenizer.tgt)
        src_ids = src.sample(list(src_texts.values()), seed=src_seed, dropout=config.src_dropout, alpha=config.src_alpha, n_best=config.n_best)
        tgt_ids = tgt.sample(list(tgt_texts.values()), seed=tgt_seed, dropout=config.tgt_dropout, alpha=config.tgt_alpha, n_best=config.n_best)
        return dict(zip(src_texts, src_ids, strict=True)), dict(zip(tgt_texts, tgt_ids, strict=True))


def deal(lengths: NDArray[np.integer], n_batches: int, rng: np.random.Generator) -> list[Indices]:
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
        low, high = (low, middle) if len(_ends(falling, middle)) <= n_batches else (middle + 1, high)
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


def _decoded(subword: Subword, ids: dict[int, list[int]], chosen: Sequence[int]) -> dict[int, str]:
    """The texts of some sentences, by their numbers."""
    return dict(zip(chosen, subword.decode([ids[i] for i in chosen], n_threads=1), strict=True))

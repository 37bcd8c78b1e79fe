"""Augmentation and subword sampling between store and model: different ids in each epoch."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtkit.batches.bucketing import Indices, fill_batches
from mtkit.config.augment import Alteration, Annotation, AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.corpus.augment.alterations import alter_pair, draw_alterations
from mtkit.corpus.store.token_store import TokenStore
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Tokenizer
from mtkit.tokenizer.subword_sampling import SubwordSampler

if TYPE_CHECKING:
    from mtkit.corpus.terms.lexicon import Lexicon

GROUP_SIZE = 32
"""Batches that are augmented together and redistributed by their new lengths.

Augmented one by one, batches of short sentences would be more than half padding: the longest of
several hundred augmented sentences is much longer than most.
"""

Rows = Sequence[NDArray[np.integer]]
"""Ids of sentences, without BOS and EOS. Shape (length,) each."""

PairsById = dict[int, tuple[list[int], list[int]]]
"""Ids of source and target without tags, by the index of the pair."""


class TaggedPairs(NamedTuple):
    """Pairs of a batch, before augmentation."""

    src: Rows
    """Sources, with their tags."""
    tgt: Rows
    n_tags: list[int]
    """Number of tags at the start of each source, which are kept."""


class RebatchedPairs(NamedTuple):
    """Pairs of a batch, after augmentation and redistribution."""

    src: Rows
    tgt: Rows
    indices: Indices
    """Index of each pair within the group. Shape (B,)."""


class OnlineAugmenter:
    """Augments pairs as `augment:` says and resamples their subwords as `sampling:` says.

    To augment a pair, its text is decoded from the ids and encoded again. Random numbers depend on
    the seed and the position in the data only, so the process that does it and the order do not
    matter. A pair is kept as it is if a side contains UNK, whose text is lost, or if the new ids
    are empty, contain UNK or are too long.

    Args:
        tokenizer: Tokenizer of both sides.
        sampling: Settings of subword sampling.
        augment: Settings of augmentation; `merge` is done by the sampler.
        langs: Language codes of source and target.
        seed: Not negative.
        max_length: Maximum number of ids of a side, without tags.
        lexicon: Aligns the words that are masked or annotated; needed for these.
    Raises:
        MtkitError: The tokenizer lacks a symbol that the augmentation writes.
    """

    group_size = GROUP_SIZE

    def __init__(
        self,
        tokenizer: Tokenizer,
        sampling: SamplingConfig,
        augment: AugmentConfig,
        langs: tuple[str, str],
        seed: int,
        max_length: int,
        lexicon: "Lexicon | None" = None,
    ) -> None:
        _require_symbols(tokenizer, (*augment.masks, *augment.term_symbols))
        self._lexicon = lexicon
        self._tokenizer, self._augment = tokenizer, augment
        self._langs, self._seed, self._max_length = langs, seed, max_length
        self._samplers = [
            SubwordSampler(vocab, dropout=dropout, alpha=alpha, n_best=sampling.n_best)
            if is_sampled
            else None
            for vocab, is_sampled, dropout, alpha in (
                (tokenizer.src, sampling.samples_src, sampling.src_dropout, sampling.src_alpha),
                (tokenizer.tgt, sampling.samples_tgt, sampling.tgt_dropout, sampling.tgt_alpha),
            )
        ]
        """For source and target; None for a side whose subwords are not sampled."""

    @classmethod
    def for_recipe(cls, recipe: Recipe, tokenizer: Tokenizer, store: TokenStore) -> Self:
        """Return the augmenter of a recipe that `augments_online`."""
        lexicon = None
        if recipe.augment.masks or recipe.augment.term_symbols:
            from mtkit.batches.store_lexicon import learn_lexicon

            lexicon = learn_lexicon(recipe, store, tokenizer)
        return cls(
            tokenizer,
            recipe.sampling,
            recipe.augment,
            (recipe.data.src_lang, recipe.data.tgt_lang),
            recipe.training.seed,
            recipe.preprocess.max_length,
            lexicon,
        )

    def augment_group(
        self, batches: Sequence[TaggedPairs], position: tuple[int, ...]
    ) -> list[RebatchedPairs]:
        """Augment consecutive batches and redistribute their pairs, so that little is padding.

        Args:
            batches: GROUP_SIZE batches; fewer at the end of a window.
            position: Position of the first batch in the data, counted in steps of GROUP_SIZE.
        Returns:
            As many batches, larger by the ids that augmentation added.
        """
        sides = ([row for rows in side for row in rows] for side in zip(*batches, strict=True))
        src, tgt = self.augment(TaggedPairs(*sides), position)
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(*position, 1)))
        lengths = np.array([max(len(a), len(b)) + 1 for a, b in zip(src, tgt, strict=True)])
        return [
            RebatchedPairs([src[i] for i in indices], [tgt[i] for i in indices], indices)
            for indices in rebatch(lengths, len(batches), rng)
        ]

    def augment(self, pairs: TaggedPairs, position: tuple[int, ...]) -> tuple[Rows, Rows]:
        """Augment pairs and resample their subwords.

        Args:
            pairs: Pairs from the store, concatenated or not.
            position: Position in the data, which seeds the random numbers.
        Returns:
            As many sources and targets. Unchanged ones are the same objects.
        """
        alter_seed, *sample_seeds = (
            np.random.SeedSequence(self._seed, spawn_key=(*position, 0)).generate_state(3).tolist()
        )
        rng = Random(alter_seed)
        src, tgt = list(pairs.src), list(pairs.tgt)
        alterations = draw_alterations(self._augment, len(src), rng)
        # Subword sampling changes all pairs, augmentation the drawn ones only.
        changing = range(len(src)) if any(self._samplers) else sorted(alterations)
        old: PairsById = {
            i: (src[i][pairs.n_tags[i] :].tolist(), tgt[i].tolist()) for i in changing
        }
        old = {i: pair for i, pair in old.items() if not self._has_unk(pair)}
        drawn = {i: pair for i, pair in old.items() if i in alterations}
        new = self._sample(old | self._alter(drawn, alterations, rng), sample_seeds)
        for i, pair in new.items():
            if not all(pair) or max(map(len, pair)) > self._max_length or self._has_unk(pair):
                continue
            if pair[0] != old[i][0]:
                tags = src[i][: pairs.n_tags[i]]
                src[i] = np.concatenate([tags, np.array(pair[0], src[i].dtype)])
            if pair[1] != old[i][1]:
                tgt[i] = np.array(pair[1], tgt[i].dtype)
        return src, tgt

    def _has_unk(self, pair: tuple[list[int], list[int]]) -> bool:
        tokenizer = self._tokenizer
        return tokenizer.src.special.unk in pair[0] or tokenizer.tgt.special.unk in pair[1]

    def _alter(
        self, pairs: PairsById, alterations: dict[int, Alteration | Annotation], rng: Random
    ) -> PairsById:
        src, tgt = self._tokenizer.src, self._tokenizer.tgt
        texts = zip(
            src.decode([a for a, _ in pairs.values()], n_threads=1),
            tgt.decode([b for _, b in pairs.values()], n_threads=1),
            strict=True,
        )
        altered = [
            self._alter_pair(alterations[i], a, b, rng)
            for i, (a, b) in zip(pairs, texts, strict=True)
        ]
        new_src = src.encode([a for a, _ in altered], n_threads=1)
        new_tgt = tgt.encode([b for _, b in altered], n_threads=1)
        return dict(zip(pairs, zip(new_src, new_tgt, strict=True), strict=True))

    def _alter_pair(
        self, name: Alteration | Annotation, src: str, tgt: str, rng: Random
    ) -> tuple[str, str]:
        if name == "placeholders" or name == "terms":
            if self._lexicon is None:
                raise ValueError(f"augment.{name} needs a lexicon")
            if name == "terms":
                from mtkit.corpus.augment.term_annotation import annotate_pair

                return annotate_pair(src, tgt, self._lexicon, rng), tgt
            from mtkit.corpus.augment.masking import mask_pair

            return mask_pair(src, tgt, self._lexicon, rng)
        new_src, (new_tgt,) = alter_pair(name, src, [tgt], rng, self._langs)
        return new_src, new_tgt

    def _sample(self, pairs: PairsById, seeds: Sequence[int]) -> PairsById:
        sides = [a for a, _ in pairs.values()], [b for _, b in pairs.values()]
        src, tgt = (
            side if sampler is None else sampler.sample(side, seed)
            for side, sampler, seed in zip(sides, self._samplers, seeds, strict=True)
        )
        return dict(zip(pairs, zip(src, tgt, strict=True), strict=True))


def _require_symbols(tokenizer: Tokenizer, symbols: Sequence[str]) -> None:
    known = set(tokenizer.src.user_symbols) & set(tokenizer.tgt.user_symbols)
    if missing := [symbol for symbol in symbols if symbol not in known]:
        raise MtkitError(
            f"the tokenizer lacks {', '.join(missing)}, which augment.placeholders or augment.terms"
            " writes",
            "run `mtkit tokenizer train` and `mtkit preprocess` with the same recipe; to start from"
            " a model, set training.init_from, which extends its vocabulary",
        )


def rebatch(lengths: NDArray[np.int64], n_batches: int, rng: np.random.Generator) -> list[Indices]:
    """Divide pairs into batches of similar lengths and of similar numbers of padded positions.

    Args:
        lengths: Tokens of the longer side of each pair, with EOS. Shape (N,).
        n_batches: Number of batches; at most N.
        rng: Breaks ties and shuffles the batches.
    Returns:
        Indices of the pairs of each batch; each pair is in exactly one.
    """
    shuffled = rng.permutation(len(lengths))
    order = shuffled[np.argsort(-lengths[shuffled], kind="stable")]
    descending = lengths[order]
    # Find the smallest batch size that needs at most n_batches; if it needs fewer, the largest
    # batches are halved.
    low, high = int(descending[0]), int(descending[0]) * len(descending)
    while low < high:
        middle = (low + high) // 2
        if len(fill_batches(descending, middle)) <= n_batches:
            high = middle
        else:
            low = middle + 1
    ends = fill_batches(descending, low).tolist()
    while len(ends) < n_batches:
        starts = [0, *ends[:-1]]
        size, start = max((end - start, start) for start, end in zip(starts, ends, strict=True))
        ends = sorted([*ends, start + size // 2])
    batches = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return [batches[i] for i in rng.permutation(n_batches)]

"""From chosen pairs to a batch, without torch, so that a worker process starts at once."""

from typing import Self

import numpy as np

from mtkit.batches.concatenate import PairConcatenator
from mtkit.batches.gather import BatchRows, SupportsGather, gather_pairs
from mtkit.batches.online_augment import GROUP_SIZE, OnlineAugmenter, TaggedPairs
from mtkit.batches.pad import BatchArrays, pad_batch
from mtkit.batches.position import Position
from mtkit.batches.word_alignment import BatchAligner
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import TokenStore
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.tokenizer.subword import Tokenizer


class BatchBuilder:
    """Makes batches, in whichever process; the same from the same pairs.

    Args:
        store: Where the ids are; another process opens it for itself.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
        concatenator: Joins pairs, where the order of batches joins any.
        augmenter: Puts other ids in the place of the store's, where the recipe asks for it.
        multiple: RaggedIds are padded to a multiple of so many positions, which GPUs like.
        aligner: Finds word alignments, where the recipe asks for them.
    """

    def __init__(
        self,
        store: SupportsGather,
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        concatenator: PairConcatenator | None = None,
        augmenter: OnlineAugmenter | None = None,
        multiple: int = 1,
        aligner: BatchAligner | None = None,
    ) -> None:
        self._store, self._concatenator, self._augmenter, self._multiple, self._aligner = (
            store,
            concatenator,
            augmenter,
            multiple,
            aligner,
        )
        self._src_special, self._tgt_special = src_special, tgt_special

    @classmethod
    def for_recipe(
        cls, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer, multiple: int = 1
    ) -> Self:
        """The maker of a recipe's training batches."""
        concatenator = (
            PairConcatenator(tokenizer, (recipe.data.src_lang, recipe.data.tgt_lang))
            if recipe.augment.merge
            else None
        )
        aligner = BatchAligner(store, tokenizer) if recipe.training.alignment_weight else None
        return cls(
            store,
            tokenizer.src.special,
            tokenizer.tgt.special,
            concatenator,
            OnlineAugmenter.for_recipe(recipe, tokenizer),
            multiple,
            aligner,
        )

    @property
    def group_size(self) -> int:
        """Batches that are made together."""
        return GROUP_SIZE if self._augmenter is not None else 1

    def __call__(
        self, group: list[tuple[BatchRows, Position]]
    ) -> list[tuple[BatchArrays, Position]]:
        """Make a group of batches.

        Args:
            group: The pairs of each, and the position after it, which is handed through: from a multiple of group_size to the next, or to the
                window's end.
        """
        gathered = [gather_pairs(self._store, chosen, self._concatenator) for chosen, _ in group]
        rows = [chosen.rows for chosen, _ in group]
        if self._augmenter is not None:
            pairs = [
                TaggedPairs(src.rows(), tgt.rows(), chosen.n_tags.tolist())
                for (src, tgt), (chosen, _) in zip(gathered, group, strict=True)
            ]
            rewritten = self._augmenter.augment_group(pairs, group[0][0].position)
            gathered = [
                (RaggedIds.from_rows(dealt.src), RaggedIds.from_rows(dealt.tgt))
                for dealt in rewritten
            ]
            rows = [np.concatenate(rows)[dealt.places] for dealt in rewritten]
        marks = (self._src_special, self._tgt_special, self._multiple)
        batches = [pad_batch(*sides, *marks) for sides in gathered]
        if self._aligner is not None:
            batches = [
                batch._replace(alignment=self._aligner(chosen, *sides))
                for batch, chosen, sides in zip(batches, rows, gathered, strict=True)
            ]
        return [(batch, after) for batch, (_, after) in zip(batches, group, strict=True)]


def identity(maker: BatchBuilder) -> BatchBuilder:
    """What a worker process calls to have its maker; here, because it imports this file for it and should not import torch."""
    return maker

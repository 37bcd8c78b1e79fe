"""Builds batches from chosen rows, without torch, so that a worker process starts fast."""

from typing import TYPE_CHECKING, Self

import numpy as np

from mtkit.batches.arrays import (
    BatchArrays,
    BatchRows,
    Position,
    gather_pairs,
    pad_batch,
)
from mtkit.batches.context import SupportsGather
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.ragged_ids import RaggedIds
from mtkit.corpus.store.token_store import TokenStore
from mtkit.tokenizer.special_ids import SpecialIds
from mtkit.tokenizer.subword import Tokenizer

if TYPE_CHECKING:
    from mtkit.batches.concatenate import PairConcatenator
    from mtkit.batches.context import ContextJoiner
    from mtkit.batches.online_augment import OnlineAugmenter
    from mtkit.batches.word_alignment import BatchAligner


class BatchBuilder:
    """Builds batches; the result depends on the rows only, not on the process that builds it.

    Args:
        store: Token store; a worker process opens its own.
        src_special: Special ids of the source vocabulary.
        tgt_special: Special ids of the target vocabulary.
        concatenator: Concatenates pairs, if the sampler chooses partners.
        augmenter: Replaces ids of the store, if the recipe augments or samples subwords.
        src_multiple: Widths of sources are multiples of this.
        aligner: Adds word alignments, if the recipe trains with them.
        context_joiner: Prepends the context, if the recipe trains with it.
    """

    def __init__(
        self,
        store: SupportsGather,
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        concatenator: "PairConcatenator | None" = None,
        augmenter: "OnlineAugmenter | None" = None,
        src_multiple: int = 1,
        aligner: "BatchAligner | None" = None,
        context_joiner: "ContextJoiner | None" = None,
    ) -> None:
        self._context_joiner = context_joiner
        self._store, self._src_multiple = store, src_multiple
        self._src_special, self._tgt_special = src_special, tgt_special
        self._concatenator, self._augmenter, self._aligner = concatenator, augmenter, aligner

    @classmethod
    def for_recipe(
        cls, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer, src_multiple: int = 1
    ) -> Self:
        """Return the builder of a recipe's training batches."""
        concatenator = augmenter = aligner = context_joiner = None
        if recipe.augment.merge:
            from mtkit.batches.concatenate import PairConcatenator

            langs = (recipe.data.src_lang, recipe.data.tgt_lang)
            concatenator = PairConcatenator(tokenizer, langs)
        if recipe.augments_online:
            from mtkit.batches.online_augment import OnlineAugmenter

            augmenter = OnlineAugmenter.for_recipe(recipe, tokenizer, store)
        if recipe.training.alignment_weight:
            from mtkit.batches.word_alignment import BatchAligner

            aligner = BatchAligner(store, tokenizer)
        if recipe.data.context:
            from mtkit.batches.context import ContextJoiner

            context_joiner = ContextJoiner(tokenizer)
        special = tokenizer.src.special, tokenizer.tgt.special
        return cls(store, *special, concatenator, augmenter, src_multiple, aligner, context_joiner)

    @property
    def group_size(self) -> int:
        """Number of batches that are built together."""
        return 1 if self._augmenter is None else self._augmenter.group_size

    def __call__(
        self, group: list[tuple[BatchRows, Position]]
    ) -> list[tuple[BatchArrays, Position]]:
        """Build a group of batches.

        Args:
            group: Rows of each batch, and the position after it, which is passed through. Starts at
                a multiple of `group_size` and ends at the next one or at the end of the window.
        """
        joiners = self._concatenator, self._context_joiner
        gathered = [gather_pairs(self._store, batch, *joiners) for batch, _ in group]
        rows = [batch.rows for batch, _ in group]
        if self._augmenter is not None:
            gathered, rows = self._augment(self._augmenter, [batch for batch, _ in group], gathered)
        marks = (self._src_special, self._tgt_special, self._src_multiple)
        arrays = [pad_batch(*sides, *marks) for sides in gathered]
        if self._aligner is not None:
            arrays = [
                batch._replace(alignment=self._aligner(batch_rows, *sides))
                for batch, batch_rows, sides in zip(arrays, rows, gathered, strict=True)
            ]
        return [(batch, after) for batch, (_, after) in zip(arrays, group, strict=True)]

    def _augment(
        self,
        augmenter: "OnlineAugmenter",
        batches: list[BatchRows],
        gathered: list[tuple[RaggedIds, RaggedIds]],
    ) -> tuple[list[tuple[RaggedIds, RaggedIds]], list[np.ndarray]]:
        """Return the augmented sides of a group, redistributed over its batches, and their rows."""
        from mtkit.batches.online_augment import TaggedPairs

        pairs = [
            TaggedPairs(src.rows(), tgt.rows(), batch.n_tags.tolist())
            for (src, tgt), batch in zip(gathered, batches, strict=True)
        ]
        augmented = augmenter.augment_group(pairs, batches[0].position)
        rows = np.concatenate([batch.rows for batch in batches])
        sides = [
            (RaggedIds.from_rows(batch.src), RaggedIds.from_rows(batch.tgt)) for batch in augmented
        ]
        return sides, [rows[batch.indices] for batch in augmented]


def identity(builder: BatchBuilder) -> BatchBuilder:
    """Return the builder: called in a worker process to create its function.

    Defined here because the worker imports the module of this function, which must not load torch.
    """
    return builder

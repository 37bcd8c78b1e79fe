"""From chosen pairs to a batch, without torch, so that a worker process starts at once."""

from typing import Self

from mtkit.batches.frame import Arrays, frame
from mtkit.batches.gather import Chosen, HasPairs, gather
from mtkit.batches.merging import Joiner
from mtkit.batches.position import Position
from mtkit.batches.rewrite import Rewriter
from mtkit.config.recipe import Recipe
from mtkit.corpus.sentences import Sentences
from mtkit.corpus.store import TokenStore
from mtkit.special import SpecialIds
from mtkit.tokenizer.subword import Tokenizer


class BatchMaker:
    """Makes batches, in whichever process; the same from the same pairs.

    Args:
        store: Where the ids are; another process opens it for itself.
        src_special: Special ids of the source's vocabulary.
        tgt_special: Special ids of the target's vocabulary.
        joiner: Joins pairs, where the order of batches joins any.
        rewriter: Puts other ids in the place of the store's, where the recipe asks for it.
    """

    def __init__(
        self,
        store: HasPairs,
        src_special: SpecialIds,
        tgt_special: SpecialIds,
        joiner: Joiner | None = None,
        rewriter: Rewriter | None = None,
    ) -> None:
        self._store, self._joiner, self._rewriter = store, joiner, rewriter
        self._src_special, self._tgt_special = src_special, tgt_special

    @classmethod
    def for_recipe(cls, recipe: Recipe, store: TokenStore, tokenizer: Tokenizer) -> Self:
        """The maker of a recipe's training batches."""
        joiner = Joiner(tokenizer, (recipe.data.src_lang, recipe.data.tgt_lang)) if recipe.augment.merge else None
        return cls(store, tokenizer.src.special, tokenizer.tgt.special, joiner, Rewriter.for_recipe(recipe, tokenizer))

    def __call__(self, task: tuple[Chosen, Position]) -> tuple[Arrays, Position]:
        """Make a batch.

        Args:
            task: Its pairs, and the position after it, which is handed through.
        """
        chosen, after = task
        src, tgt = gather(self._store, chosen, self._joiner)
        if self._rewriter is not None:
            src_rows, tgt_rows = self._rewriter.rewrite(src.rows(), tgt.rows(), chosen.n_tags.tolist(), chosen.position)
            src, tgt = Sentences.of(src_rows), Sentences.of(tgt_rows)
        return frame(src, tgt, self._src_special, self._tgt_special), after


def itself(maker: BatchMaker) -> BatchMaker:
    """What a worker process calls to have its maker; here, because it imports this file for it and should not import torch."""
    return maker

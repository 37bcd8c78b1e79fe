"""All pairs of a corpus in batches, without training's mixture and order."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mtkit.batches.arrays import pad_batch
from mtkit.batches.bucketing import make_batches
from mtkit.batches.collate import Batch, collate, to_batch
from mtkit.batches.context import (
    ContextJoiner,
    ContextOptions,
    SupportsGather,
    SupportsLengths,
    choose_context,
)
from mtkit.tokenizer.subword import Tokenizer


class SupportsBatches(SupportsGather, SupportsLengths, Protocol):
    """Ids of pairs, their lengths and documents."""

    def __len__(self) -> int: ...


def whole_corpus_batches(
    store: SupportsBatches,
    n_tags: int,
    max_tokens: int,
    tokenizer: Tokenizer,
    options: ContextOptions,
) -> Iterator[Batch]:
    """Yield all pairs in batches of similar length, with their context as in training.

    Args:
        store: The pairs.
        n_tags: Number of tags at the start of each source.
        max_tokens: Maximum batch size in padded positions; more if a single pair needs more.
        tokenizer: Tokenizer of the pairs.
        options: Settings of the context.
    """
    rows = np.arange(len(store))
    tags = np.full(len(rows), n_tags)
    context = choose_context(store, rows, tags, options)
    src_lengths = store.lengths("src", rows) + context.src_lengths + 1
    tgt_lengths = store.lengths("tgt", rows) + context.tgt_lengths + 1
    max_tokens = max(max_tokens, int(src_lengths.max()), int(tgt_lengths.max()))
    special = tokenizer.src.special, tokenizer.tgt.special
    joiner = ContextJoiner(tokenizer) if options.n else None
    for chosen in make_batches(src_lengths, tgt_lengths, max_tokens, np.random.default_rng(0)):
        if joiner is None:
            yield collate(store, chosen, *special)
        else:
            sides = joiner.gather(store, chosen, context.n_context[chosen], tags[chosen])
            yield to_batch(pad_batch(*sides, *special))

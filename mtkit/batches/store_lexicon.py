"""Translations of words, learned from a token store."""

import time

import numpy as np

from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_pair import Side
from mtkit.corpus.store.token_store import TokenStore
from mtkit.corpus.terms.lexicon import Lexicon
from mtkit.io.logs import get_logger
from mtkit.io.progress import format_duration
from mtkit.tokenizer.subword import Subword, Tokenizer

logger = get_logger(__name__)

MAX_PAIRS = 100_000
"""Pairs to learn from, spread evenly over a larger corpus."""


def learn_lexicon(recipe: Recipe, store: TokenStore, tokenizer: Tokenizer) -> Lexicon:
    """Learn the translations of words from the training pairs of a recipe.

    The result depends on the store and the tokenizer only.
    """
    started_s = time.monotonic()
    rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), MAX_PAIRS)).astype(np.int64))
    symbols = {*tokenizer.src.user_symbols, *tokenizer.tgt.user_symbols}
    texts: list[list[str]] = []
    sides: tuple[tuple[Side, Subword], ...] = (("src", tokenizer.src), ("tgt", tokenizer.tgt))
    for side, subword in sides:
        symbol_ids = np.array(subword.lookup_ids(sorted(symbols)), np.int64)
        ids = (row[~np.isin(row, symbol_ids)].tolist() for row in store.gather(side, rows).rows())
        texts.append(subword.decode(list(ids)))
    src, tgt = texts
    lexicon = Lexicon.learn(src, tgt, (recipe.data.src_lang, recipe.data.tgt_lang))
    logger.info(
        "learned the translations of %s words from %s pairs in %s",
        f"{len(lexicon.translations):,}",
        f"{len(rows):,}",
        format_duration(time.monotonic() - started_s),
    )
    return lexicon

"""Configuration of the model directory, as far as training determines it."""

import numpy as np
from numpy.typing import NDArray

from mtkit.checkpoint.model_config import ModelDirConfig, TrainingLineStatistics
from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_endings import learn_endings, split_after_endings
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.corpus.store.token_store import Rows, TokenStore
from mtkit.tokenizer.subword import Subword

_N_SEGMENTED = 20_000
"""Number of sources that are split into sentences."""
_N_MEASURED = 200_000
"""Number of sources whose lengths are read."""
_MAX_SENTENCES = 10


def model_dir_config(
    recipe: Recipe, training_lines: TrainingLineStatistics | None = None
) -> ModelDirConfig:
    """Return the configuration of a recipe's model."""
    data = recipe.data
    return ModelDirConfig(
        src_lang=data.src_lang,
        tgt_lang=data.tgt_lang,
        max_length=recipe.preprocess.max_length,
        tags=tuple(dict.fromkeys(tag for source in data.train for tag in source.tags)),
        tag_required=all(source.tags for source in data.train),
        tgt_tags=tuple(dict.fromkeys(tag for source in data.train for tag in source.tgt_tags)),
        training_lines=training_lines,
        alignment_head=recipe.alignment_head,
        masks=recipe.augment.masks,
        term_symbols=recipe.augment.term_symbols or None,
        context=data.context,
        model=recipe.model,
        search=recipe.search,
    )


def measure_training_lines(
    recipe: Recipe, store: TokenStore, src: Subword
) -> TrainingLineStatistics:
    """Measure the sources of the training data, in sentences and tokens.

    Args:
        recipe: The recipe; lines that `augment.merge` concatenates are included.
        store: Training pairs of the recipe.
        src: Source vocabulary.
    """
    rng = np.random.default_rng(0)
    texts = _sources(store, src, _evenly_spaced(store, _N_SEGMENTED))
    endings = learn_endings(texts)
    n_sentences = [
        len(split_after_endings(split_sentences(text, recipe.data.src_lang), frozenset(endings)))
        for text in texts
    ]
    counts = _with_merged(np.array(n_sentences), recipe.augment.merge, rng)
    rows = _evenly_spaced(store, _N_MEASURED)
    src_lengths = store.lengths("src", rows) - _n_tags(store)[rows]
    n_tgt_tags = max(len(source.tgt_tags) for source in recipe.data.train)
    tgt_lengths = store.lengths("tgt", rows) - n_tgt_tags
    lengths = _with_merged(src_lengths, recipe.augment.merge, rng, recipe.preprocess.max_length)
    usual, longest = np.quantile(lengths, [0.95, 0.999], method="higher")
    ratio = float(tgt_lengths.sum() / max(src_lengths.sum(), 1))
    return TrainingLineStatistics(
        sentence_shares=tuple(
            round(float((counts >= n).mean()), 4) for n in range(2, _MAX_SENTENCES + 1)
        ),
        usual_length=max(int(usual), 1),
        longest=max(int(longest), 1),
        length_ratio=round(ratio, 4) or 1.0,
        endings=endings,
    )


def _evenly_spaced(store: TokenStore, n: int) -> Rows:
    return np.linspace(0, len(store) - 1, min(n, len(store))).astype(np.int64)


def _n_tags(store: TokenStore) -> NDArray[np.int64]:
    """Return the number of tags at the start of each source. Shape (N,)."""
    corpora = store.corpora
    return np.repeat([corpus.n_tags for corpus in corpora], [corpus.n_pairs for corpus in corpora])


def _sources(store: TokenStore, src: Subword, rows: Rows) -> list[str]:
    n_tags = _n_tags(store)
    return src.decode([store.src(row)[n_tags[row] :].tolist() for row in rows])


def _with_merged(
    sizes: NDArray[np.int64], rate: float, rng: np.random.Generator, limit: int | None = None
) -> NDArray[np.int64]:
    """Add to some sizes that of a random partner, as `draw_partners` merges pairs."""
    partner = rng.permutation(sizes)
    is_merged = rng.random(len(sizes)) < rate
    if limit is not None:
        is_merged &= sizes + partner <= limit
    return sizes + is_merged * partner

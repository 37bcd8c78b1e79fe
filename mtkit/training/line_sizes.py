"""Size of the training lines in sentences and tokens, which the model directory records."""

import numpy as np
from numpy.typing import NDArray

from mtkit.checkpoint.model_dir import TrainingLineStatistics
from mtkit.config.recipe import Recipe
from mtkit.corpus.sentence_endings import learn_endings, split_after_endings
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.corpus.store.token_store import Rows, TokenStore
from mtkit.tokenizer.subword import Subword

_N_SEGMENTED = 20_000
"""Sources that are split into sentences."""
_N_MEASURED = 200_000
"""Sources whose lengths are read."""
_MAX_SENTENCES = 10


def measure_training_lines(
    recipe: Recipe, store: TokenStore, src: Subword
) -> TrainingLineStatistics:
    """Measure the sources that a recipe trains on, with the joins of `augment.merge` among them.

    Args:
        recipe: The recipe.
        store: Its training pairs.
        src: The source's vocabulary.
    """
    rng = np.random.default_rng(0)
    texts = _sources(store, src, _evenly(store, _N_SEGMENTED))
    endings = learn_endings(texts)
    sentence_counts = np.array(
        [
            len(
                split_after_endings(split_sentences(text, recipe.data.src_lang), frozenset(endings))
            )
            for text in texts
        ]
    )
    counts = _joined(sentence_counts, recipe.augment.merge, rng)
    rows = _evenly(store, _N_MEASURED)
    src_lengths = store.lengths("src", rows) - _n_tags(store)[rows]
    lengths = _joined(src_lengths, recipe.augment.merge, rng, recipe.preprocess.max_length)
    usual, longest = np.quantile(lengths, [0.95, 0.999], method="higher")
    return TrainingLineStatistics(
        sentence_shares=tuple(
            round(float((counts >= n).mean()), 4) for n in range(2, _MAX_SENTENCES + 1)
        ),
        usual_length=max(int(usual), 1),
        longest=max(int(longest), 1),
        length_ratio=round(float(store.lengths("tgt", rows).sum() / max(src_lengths.sum(), 1)), 4)
        or 1.0,
        endings=endings,
    )


def _evenly(store: TokenStore, n: int) -> Rows:
    return np.linspace(0, len(store) - 1, min(n, len(store))).astype(np.int64)


def _n_tags(store: TokenStore) -> NDArray[np.int64]:
    """Tags before each source. Shape (N,)."""
    corpora = store.corpora
    return np.repeat([corpus.n_tags for corpus in corpora], [corpus.n_pairs for corpus in corpora])


def _sources(store: TokenStore, src: Subword, rows: Rows) -> list[str]:
    n_tags = _n_tags(store)
    return src.decode([store.src(row)[n_tags[row] :].tolist() for row in rows])


def _joined(
    sizes: NDArray[np.int64], rate: float, rng: np.random.Generator, most: int | None = None
) -> NDArray[np.int64]:
    """Sizes with those of some pairs joined to others, as `draw_partners` joins them."""
    partner = rng.permutation(sizes)
    is_joined = rng.random(len(sizes)) < rate
    if most is not None:
        is_joined &= sizes + partner <= most
    return sizes + is_joined * partner

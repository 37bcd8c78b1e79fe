"""A validation corpus drawn from the training corpus."""

import random
from collections import Counter
from collections.abc import Sequence

from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.clean.match_keys import normalise_for_matching
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.io.progress import progress

MAX_PAIRS = 2000
_SEED = 1
_CANDIDATES_PER_PAIR = 3


def validation_size(n_pairs: int) -> int:
    """How many pairs to validate on: a twentieth of the corpus, at most 2,000, and of small ones up to a fifth for the sake of 100."""
    return min(MAX_PAIRS, max(n_pairs // 20, min(100, n_pairs // 5)))


def draw_validation(
    source: CorpusSource, data: DataConfig, sample: Sequence[SentencePair], n_wanted: int
) -> list[SentencePair]:
    """Choose pairs to validate on, each side of which stands in the corpus only once, so that none is known from training by half.

    The corpus is read once more and stays as it is: `clean.test_overlap` keeps these pairs out of training.

    Args:
        source: The training corpus.
        data: Its languages.
        sample: Some of its pairs.
        n_wanted: Fewer come when the corpus repeats itself much.
    Returns:
        Cleaned pairs.
    """
    cleaner = PairCleaner(CleanConfig(), data.src_lang, data.tgt_lang)
    candidates: dict[SentencePair, SentencePair] = {}
    for pair in random.Random(_SEED).sample(sample, len(sample)):
        src, tgt, reason, _ = cleaner.clean(*pair)
        # Overlap is found by the folded text, which a line of signs has not.
        if reason is None and normalise_for_matching(src) and normalise_for_matching(tgt):
            candidates[pair] = SentencePair(src, tgt)
        if len(candidates) == _CANDIDATES_PER_PAIR * n_wanted:
            break
    n_src, n_tgt = (
        Counter({pair.src: 0 for pair in candidates}),
        Counter({pair.tgt: 0 for pair in candidates}),
    )
    with progress("Drawing validation pairs", unit="pairs") as bar:
        for src, tgt in read_pairs(source, data):
            bar.advance()
            if src in n_src:
                n_src[src] += 1
            if tgt in n_tgt:
                n_tgt[tgt] += 1
    return [
        cleaned
        for pair, cleaned in candidates.items()
        if n_src[pair.src] == 1 and n_tgt[pair.tgt] == 1
    ][:n_wanted]

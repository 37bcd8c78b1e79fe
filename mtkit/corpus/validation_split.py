"""Draw a validation corpus from the training corpus."""

import random
from collections import Counter
from collections.abc import Sequence

from mtkit.config.clean import CleanConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.clean.match_keys import normalize_for_matching
from mtkit.corpus.clean.pair_cleaner import PairCleaner
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.io.progress import progress

MAX_PAIRS = 2000
_SEED = 1
_CANDIDATES_PER_PAIR = 3


def validation_size(n_pairs: int) -> int:
    """Return the size of a validation corpus for a corpus of `n_pairs` pairs.

    A twentieth, at most 2,000; in small corpora up to a fifth, so as to reach 100.
    """
    return min(MAX_PAIRS, max(n_pairs // 20, min(100, n_pairs // 5)))


def draw_validation(
    source: CorpusSource, data: DataConfig, sample: Sequence[SentencePair], n_pairs: int
) -> list[SentencePair]:
    """Draw validation pairs, neither side of which occurs elsewhere in the corpus.

    The corpus is read again and not changed: `clean.test_overlap` keeps these pairs out of
    training.

    Args:
        source: The training corpus.
        data: Gives its languages.
        sample: Some of its pairs.
        n_pairs: Number of pairs; fewer are returned if most of the corpus is repeated.
    Returns:
        Cleaned pairs.
    """
    cleaner = PairCleaner(CleanConfig(), data.src_lang, data.tgt_lang)
    candidates: dict[SentencePair, SentencePair] = {}
    for pair in random.Random(_SEED).sample(sample, len(sample)):
        src, tgt, reason, _ = cleaner.clean(*pair)
        # Overlap is detected by the text normalized for matching, which is empty for a line of
        # symbols.
        if reason is None and normalize_for_matching(src) and normalize_for_matching(tgt):
            candidates[pair] = SentencePair(src, tgt)
        if len(candidates) == _CANDIDATES_PER_PAIR * n_pairs:
            break
    n_src = Counter({pair.src: 0 for pair in candidates})
    n_tgt = Counter({pair.tgt: 0 for pair in candidates})
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
    ][:n_pairs]

"""Masks and terms in batches: the symbols are single tokens, and the position decides alone."""

import pickle

import numpy as np
import pytest

from mtkit.batches.online_augment import OnlineAugmenter, TaggedPairs
from mtkit.batches.store_lexicon import learn_lexicon
from mtkit.config.augment import MASKS, TERM_SYMBOLS, AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

SYMBOLS = (*MASKS, *TERM_SYMBOLS)


@pytest.fixture(scope="module")
def tokenizer(ko_en_pairs):
    lines = [text for pair in ko_en_pairs for text in pair]
    config = TokenizerConfig(vocab_size=700, user_symbols=SYMBOLS)
    subword = Subword(train_subword(lines, config))
    return Tokenizer(subword, subword)


@pytest.fixture(scope="module")
def lexicon(tokenizer, ko_en_pairs, tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    with StoreWriter(path, tokenizer.src.vocab_size, tokenizer.tgt.vocab_size) as writer:
        writer.append(
            tokenizer.src.encode([pair.src for pair in ko_en_pairs]),
            tokenizer.tgt.encode([pair.tgt for pair in ko_en_pairs]),
        )
        writer.finish({"tokenizer_sha256": tokenizer.sha256})
    recipe = Recipe.model_validate(
        {
            "data": {
                "src_lang": "ko",
                "tgt_lang": "en",
                "train": {"src": "a", "tgt": "b"},
                "validation": {"src": "c", "tgt": "d"},
                "work_dir": ".",
            }
        }
    )
    return learn_lexicon(recipe, TokenStore.open(path, check_hashes=False), tokenizer)


def augmenter(tokenizer, lexicon, **shares):
    augment = AugmentConfig(**shares)
    return OnlineAugmenter(tokenizer, SamplingConfig(), augment, ("ko", "en"), 1, 100, lexicon)


def batch(tokenizer, pairs):
    texts = [src for src, _ in pairs], [tgt for _, tgt in pairs]
    src, tgt = (
        [np.array(ids, np.uint16) for ids in subword.encode(side)]
        for subword, side in zip((tokenizer.src, tokenizer.tgt), texts, strict=True)
    )
    return TaggedPairs(src, tgt, [0] * len(pairs))


def test_terms_are_annotated_with_single_tokens(tokenizer, lexicon, ko_en_pairs):
    pairs = batch(tokenizer, ko_en_pairs)
    src, tgt = augmenter(tokenizer, lexicon, terms=1.0).augment(pairs, (0, 0, 0))
    assert all(new is old for new, old in zip(tgt, pairs.tgt, strict=True))
    ids = tokenizer.src.lookup_ids(TERM_SYMBOLS)
    counts = np.array([[(row == one).sum() for one in ids] for row in src])
    assert (counts == counts[:, :1]).all() and (counts[:, 0] > 0).mean() > 0.5
    for row, target in zip(src[:50], tgt[:50], strict=True):
        text, translation = tokenizer.src.decode([row.tolist(), target.tolist()])
        for part in text.split("<as> ")[1:]:
            assert part.split(" </term>")[0] in translation


def test_masks_are_the_same_on_both_sides(tokenizer, lexicon):
    pairs = batch(
        tokenizer, [(f"{n} 번 https://a.de/{n}", f"{n} times https://a.de/{n}") for n in range(9)]
    )
    src, tgt = augmenter(tokenizer, lexicon, placeholders=1.0).augment(pairs, (0, 0, 0))
    ids = tokenizer.src.lookup_ids(MASKS)
    for one, other in zip(src, tgt, strict=True):
        masks = [token for token in one.tolist() if token in ids]
        assert masks and sorted(masks) == sorted(token for token in other.tolist() if token in ids)


def test_the_position_alone_decides(tokenizer, lexicon, ko_en_pairs):
    pairs = batch(tokenizer, ko_en_pairs[:60])
    one = augmenter(tokenizer, lexicon, terms=0.5, placeholders=0.5)
    other = pickle.loads(pickle.dumps(one))
    first, again, later = (
        [[row.tolist() for row in side] for side in which.augment(pairs, (0, 0, position))]
        for which, position in ((one, 0), (other, 0), (one, 32))
    )
    assert first == again != later


def test_a_tokenizer_without_the_symbols_is_refused(tiny_tokenizer):
    with pytest.raises(MtkitError, match="lacks <term>, <as>, </term>"):
        augmenter(tiny_tokenizer, None, terms=0.1)

"""Drawn segmentations: against their definitions, and the same however the work is shared."""

import math
import pickle
from collections import Counter
from threading import Thread

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.train import train_subword
from tests.strategies import nasty_text

WAYS = {"bpe": {"dropout": 0.3}, "unigram": {"alpha": 0.3}}


@pytest.fixture(scope="module")
def subwords(ko_en_pairs):
    texts = [text for pair in ko_en_pairs for text in pair]
    return {kind: Subword(train_subword(texts, TokenizerConfig(type=kind, vocab_size=600, character_coverage=0.98))) for kind in ("bpe", "unigram")}


@pytest.fixture(scope="module")
def texts(ko_en_pairs):
    return [text for pair in ko_en_pairs[:60] for text in pair]


@pytest.mark.parametrize("kind", WAYS)
@settings(max_examples=100, deadline=None)
@given(text=nasty_text, seed=st.integers(0, 2**33))
def test_every_drawn_split_reads_as_the_text(subwords, kind, text, seed):
    subword = subwords[kind]
    assert subword.decode(subword.sample([text], seed=seed, **WAYS[kind])) == [subword.normalize(text)]


@pytest.mark.parametrize("kind", WAYS)
def test_equal_arguments_give_equal_ids_in_any_order_and_thread(subwords, texts, kind):
    subword, way = subwords[kind], WAYS[kind]
    expected = {seed: subword.sample(texts, seed=seed, **way) for seed in range(4)}
    assert len({str(ids) for ids in expected.values()}) == 4
    subword.encode(texts, n_threads=2)
    assert {seed: subword.sample(texts, seed=seed, **way) for seed in reversed(range(4))} == expected
    found = []
    threads = [Thread(target=lambda seed=seed: found.append((seed, subword.sample(texts, seed=seed, **way)))) for seed in [*range(4)] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert all(ids == expected[seed] for seed, ids in found)


@pytest.mark.parametrize("kind", WAYS)
def test_a_copy_in_another_process_would_draw_the_same(subwords, texts, kind):
    copy = pickle.loads(pickle.dumps(subwords[kind]))
    assert copy.sample(texts, seed=5, **WAYS[kind]) == subwords[kind].sample(texts, seed=5, **WAYS[kind])


def test_without_dropout_and_alpha_it_is_encoding(subwords, texts):
    assert subwords["bpe"].sample(texts, seed=1, dropout=0.0) == subwords["bpe"].encode(texts)
    assert subwords["unigram"].sample(texts, seed=1) == subwords["unigram"].encode(texts)


def test_dropout_of_1_spells(subwords):
    subword = subwords["bpe"]
    (ids,) = subword.sample(["I drink 물 and 漢"], seed=1, dropout=1.0)
    pieces = subword.pieces()
    assert [pieces[i] for i in ids] == [*"▁I▁drink▁물▁and▁", "<0xE6>", "<0xBC>", "<0xA2>"]


def test_dropout_is_the_chance_that_a_merge_is_left_out(subwords):
    # One merge, of the word boundary and one letter: so that it happens is a single throw of a coin.
    subword = subwords["bpe"]
    assert [len(ids) for ids in subword.encode(["a"])] == [1]
    for dropout in (0.1, 0.5, 0.9):
        n_split = sum(len(ids) == 2 for ids in subword.sample(["a"] * 4000, seed=7, dropout=dropout))
        assert abs(n_split / 4000 - dropout) < 4 * math.sqrt(dropout * (1 - dropout) / 4000)


@pytest.mark.parametrize("n_best", [-1, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_ways_are_drawn_by_their_probability_to_the_power_of_alpha(subwords, alpha, n_best):
    subword, word = subwords["unigram"], "weather"
    reference = sentencepiece.SentencePieceProcessor(model_proto=subword.model_bytes)
    ways = [tuple(ids) for ids in reference.nbest_encode_as_ids(word, 512)]
    assert 3 < len(set(ways)) == len(ways) < 512
    if n_best > 0:
        ways = ways[:n_best]
    # A piece's score is its log-probability; the whole has their sum.
    weights = [math.exp(alpha * sum(reference.get_score(i) for i in way)) for way in ways]
    n_draws = 6000
    drawn = Counter(map(tuple, subword.sample([word] * n_draws, seed=3, alpha=alpha, n_best=n_best)))
    assert set(drawn) <= set(ways)
    for way, weight in zip(ways, weights, strict=True):
        share = weight / sum(weights)
        assert abs(drawn[way] / n_draws - share) < 4.5 * math.sqrt(share * (1 - share) / n_draws) + 1e-3


def test_dropout_and_alpha_do_not_go_together(subwords):
    with pytest.raises(ValueError, match="give one of them"):
        subwords["bpe"].sample(["a"], seed=1, dropout=0.1, alpha=0.1)
    with pytest.raises(TypeError, match="list of texts"):
        subwords["bpe"].sample("a", seed=1, dropout=0.1)


def test_user_symbols_are_never_split(ko_en_pairs):
    config = TokenizerConfig(vocab_size=400, user_symbols=("<2ko>",))
    subword = Subword(train_subword([pair.tgt for pair in ko_en_pairs], config))
    pieces = subword.pieces()
    for ids in subword.sample(["see <2ko> here"] * 20, seed=1, dropout=1.0):
        assert "<2ko>" in [pieces[i] for i in ids]

"""Drawn splits: against their definitions, and the same in any process."""

import math
import os
import pickle
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.tokenizer.subword import Subword
from mtkit.tokenizer.subword_sampling import SubwordSampler
from mtkit.tokenizer.train import train_subword
from tests.strategies import nasty_text

WAYS = {"bpe": {"dropout": 0.3}, "unigram": {"alpha": 0.3}, "n_best": {"alpha": 0.3, "n_best": 8}}
KIND = {"bpe": "bpe", "unigram": "unigram", "n_best": "unigram"}
# So that chance has no say.
CERTAIN = {"bpe": {"dropout": 1e-300}, "unigram": {"alpha": 1e6}}


@pytest.fixture(scope="module")
def subwords(ko_en_pairs):
    texts = [text for pair in ko_en_pairs for text in pair]
    common = {"vocab_size": 600, "character_coverage": 0.98, "user_symbols": ("<2ko>", "<2en>")}
    return {
        kind: Subword(train_subword(texts, TokenizerConfig.model_validate(common | {"type": kind})))
        for kind in ("bpe", "unigram")
    }


@pytest.fixture(scope="module")
def texts(ko_en_pairs):
    return [text for pair in ko_en_pairs[:60] for text in pair]


def drawn(subword, texts, seed, **way):
    return SubwordSampler(subword, **way).sample(subword.encode(texts), seed)


def within(n_found, n_draws, share):
    """Whether a count is what a share lets one expect, by 4.5 standard deviations."""
    return abs(n_found / n_draws - share) < 4.5 * math.sqrt(share * (1 - share) / n_draws) + 1e-9


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=80, deadline=None)
@given(text=nasty_text, seed=st.integers(0, 2**70))
def test_every_drawn_split_reads_as_the_text(subwords, way, text, seed):
    subword = subwords[KIND[way]]
    assert subword.decode(drawn(subword, [text], seed, **WAYS[way])) == [subword.normalize(text)]


@pytest.mark.parametrize("kind", CERTAIN)
@settings(max_examples=80, deadline=None)
@given(text=nasty_text)
def test_split_without_sampling_equals_sentencepiece(subwords, kind, text):
    subword = subwords[kind]
    assert drawn(subword, [text], 1, **CERTAIN[kind]) == subword.encode([text])


@pytest.mark.parametrize("kind", CERTAIN)
def test_real_sentences_without_sampling_are_split_as_by_sentencepiece(subwords, kind, ko_en_pairs):
    texts = [text for pair in ko_en_pairs for text in pair]
    assert drawn(subwords[kind], texts, 1, **CERTAIN[kind]) == subwords[kind].encode(texts)


@pytest.mark.parametrize("way", WAYS)
def test_ids_depend_only_on_the_arguments(subwords, texts, way):
    subword = subwords[KIND[way]]
    rows = subword.encode(texts)
    sampler = SubwordSampler(subword, **WAYS[way])
    expected = {seed: drawn(subword, texts, seed, **WAYS[way]) for seed in range(4)}
    assert len({str(ids) for ids in expected.values()}) == 4
    assert {seed: sampler.sample(rows, seed) for seed in reversed(range(4))} == expected


def test_another_process_draws_the_same(subwords, texts, tmp_path):
    # Strings hash differently there, and what the libraries draw from the system differs.
    program = (
        "import sys; from mtkit.tokenizer.subword_sampling import SubwordSampler; from mtkit.tokenizer.subword import Subword\n"
        "for kind, way in ('bpe', 'dropout'), ('unigram', 'alpha'):\n"
        "    subword = Subword.load(kind)\n"
        "    print(SubwordSampler(subword, **{way: 0.3}).sample(subword.encode(sys.argv[1:]), 5))"
    )
    for kind in "bpe", "unigram":
        (tmp_path / kind).write_bytes(subwords[kind].model_bytes)
    there = subprocess.run(
        [sys.executable, "-c", program, *texts],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert there.stdout.splitlines() == [
        str(drawn(subwords["bpe"], texts, 5, dropout=0.3)),
        str(drawn(subwords["unigram"], texts, 5, alpha=0.3)),
    ]


def test_dropout_of_1_spells(subwords):
    subword = subwords["bpe"]
    (ids,) = drawn(subword, ["I drink 물 <2ko> 漢"], 1, dropout=1.0)
    pieces = [piece.text for piece in subword.entries()]
    assert [pieces[i] for i in ids] == [*"▁I▁drink▁물▁", "<2ko>", "▁", "<0xE6>", "<0xBC>", "<0xA2>"]


def chances_by_definition(word, scores, dropout):
    """Algorithm 1 of the paper, followed along every branch: the chance of each split of a word."""
    reached, found = {tuple(word): 1.0}, defaultdict(float)
    while reached:
        symbols, chance = reached.popitem()
        merges = sorted(
            (-scores[a + b], i) for i, (a, b) in enumerate(pairwise(symbols)) if a + b in scores
        )
        for _, i in merges:
            following = (*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :])
            reached[following] = reached.get(following, 0.0) + chance * (1 - dropout)
            chance *= dropout
        found[symbols] += chance
    return found


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("word", ["▁weather", "▁student", "▁a"])
def test_frequencies_of_splits_match_bpe_dropout(subwords, word, dropout):
    subword = subwords["bpe"]
    pieces = subword.entries()
    expected = chances_by_definition(
        word, {piece.text: piece.score for piece in pieces if piece.kind == "text"}, dropout
    )
    assert sum(expected.values()) == pytest.approx(1)
    n = 20_000
    found = Counter(
        tuple(pieces[i].text for i in ids)
        for ids in drawn(subword, [word.removeprefix("▁")] * n, 7, dropout=dropout)
    )
    assert set(found) <= set(expected)
    assert all(within(found[way], n, share) for way, share in expected.items())


@pytest.mark.parametrize("n_best", [-1, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_splits_are_drawn_by_probability_to_the_power_of_alpha(subwords, alpha, n_best):
    subword, word = subwords["unigram"], "weather"
    reference = sentencepiece.SentencePieceProcessor(model_proto=subword.model_bytes)
    ways = [tuple(ids) for ids in reference.nbest_encode_as_ids(word, 512)]
    assert 3 < len(set(ways)) == len(ways) < 512
    if n_best > 0:
        ways = ways[:n_best]
    # A piece's score is its log-probability; the whole has their sum.
    weights = [math.exp(alpha * sum(reference.get_score(i) for i in way)) for way in ways]
    n = 10_000
    found = Counter(map(tuple, drawn(subword, [word] * n, 3, alpha=alpha, n_best=n_best)))
    assert set(found) <= set(ways)
    assert all(
        within(found[way], n, weight / sum(weights))
        for way, weight in zip(ways, weights, strict=True)
    )


def test_real_sentences_are_drawn_as_by_sentencepiece(subwords, texts):
    subword, n = subwords["unigram"], 1500
    reference = sentencepiece.SentencePieceProcessor(model_proto=subword.model_bytes)
    for text in ["나는 커피를 마십니다.", "What is your name?"]:
        ours = [len(ids) for ids in drawn(subword, [text] * n, 3, alpha=0.5)]
        theirs = [
            len(ids)
            for ids in reference.encode(
                [text] * n, enable_sampling=True, alpha=0.5, nbest_size=-1, num_threads=1
            )
        ]
        mean, other_mean = sum(ours) / n, sum(theirs) / n
        deviation = math.sqrt(sum((length - mean) ** 2 for length in ours) / n)
        assert abs(mean - other_mean) < 4.5 * deviation * math.sqrt(2 / n)


def test_memory_is_bounded_and_forgetting_changes_nothing(subwords, texts, monkeypatch):
    expected = {kind: drawn(subwords[kind], texts, 2, **WAYS[kind]) for kind in CERTAIN}
    monkeypatch.setattr("mtkit.tokenizer.subword_sampling._MAX_CACHE_BYTES", 10_000)
    for kind in CERTAIN:
        sampler = SubwordSampler(subwords[kind], **WAYS[kind])
        rows = subwords[kind].encode(texts)
        assert sampler.sample(rows, 2) == expected[kind]
        assert (
            0
            < len(sampler._words) + len(sampler._older_words)
            < len({word for text in texts for word in text.split()})
        )
        assert pickle.loads(pickle.dumps(sampler)).sample(rows, 2) == expected[kind]


def test_sentence_with_an_unknown_token_is_unchanged(ko_en_pairs):
    subword = Subword(
        train_subword(
            [pair.tgt for pair in ko_en_pairs], TokenizerConfig(vocab_size=200, byte_fallback=False)
        )
    )
    rows = subword.encode(["I drink 漢.", "I drink water."])
    found = SubwordSampler(subword, dropout=0.9).sample(rows, 1)
    assert found[0] == rows[0] and found[1] != rows[1]


def test_output_of_a_model_can_be_split_too(subwords):
    # Half a character in bytes, and marks in the middle.
    rows = [[600 - 1, 300, 8, 9, 10, 2, 300, 1, 3], [*range(2, 300)]]
    subword = subwords["bpe"]
    for row, found in zip(rows, SubwordSampler(subword, dropout=0.5).sample(rows, 1), strict=True):
        assert subword.decode([found]) == subword.decode([row])


@pytest.mark.parametrize("way", [{}, {"dropout": 0.1, "alpha": 0.1}])
def test_dropout_and_alpha_exclude_each_other(subwords, way):
    with pytest.raises(ValueError, match="either dropout"):
        SubwordSampler(subwords["bpe"], **way)

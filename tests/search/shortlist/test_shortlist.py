"""Shortlists of a made-up dictionary; a sentence's selection depends on that sentence alone."""

import random

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtkit.config.shortlist import ShortlistConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.sentence_pair import SentencePair
from mtkit.corpus.store.token_store import StoreWriter, TokenStore
from mtkit.corpus.token_translations import learn_translations
from mtkit.errors import MtkitError
from mtkit.search.shortlist.build import make_shortlist, store_of_pairs
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

N_WORDS = 40


def dictionary_pairs(n_pairs=600):
    """Word k of one language is always word k of the other, in the reverse order."""
    chance = random.Random(5)
    for _ in range(n_pairs):
        words = chance.sample(range(N_WORDS), chance.randint(2, 6))
        yield words, words[::-1]


@pytest.fixture(scope="module")
def id_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with StoreWriter(folder, N_WORDS, 2 * N_WORDS) as writer:
        pairs = list(dictionary_pairs())
        writer.append(
            [src for src, _ in pairs], [[N_WORDS + word for word in tgt] for _, tgt in pairs]
        )
        writer.finish({})
    return TokenStore.open(folder)


@pytest.fixture(scope="module")
def made(tiny_tokenizer, ko_en_pairs):
    with store_of_pairs(ko_en_pairs, tiny_tokenizer) as store:
        return make_shortlist(store, tiny_tokenizer, ShortlistConfig(n_candidates=8, n_frequent=20))


@pytest.fixture(scope="module")
def sources(tiny_tokenizer, ko_en_pairs):
    return tiny_tokenizer.src.encode([pair.src for pair in ko_en_pairs[:12]])


def allowed(selection, row):
    return set(selection.token_ids[selection.is_allowed_BV[row]].tolist())


def test_the_first_candidate_is_the_translation(id_store):
    learned = learn_translations(id_store, N_WORDS, 2 * N_WORDS)
    assert learned.tgt_ids[learned.offsets[:-1]].tolist() == [
        N_WORDS + word for word in range(N_WORDS)
    ]
    assert (learned.probabilities[learned.offsets[:-1]] > 0.5).all()
    np.testing.assert_array_less(
        np.add.reduceat(learned.probabilities, learned.offsets[:-1]), 1 + 1e-9
    )


def test_small_chunks_learn_the_same(id_store, monkeypatch):
    whole = learn_translations(id_store, N_WORDS, 2 * N_WORDS)
    monkeypatch.setattr("mtkit.corpus.token_translations._CHUNK_LINKS", 100)
    chunked = learn_translations(id_store, N_WORDS, 2 * N_WORDS)
    order = [
        np.lexsort((table.tgt_ids, np.repeat(np.arange(N_WORDS), np.diff(table.offsets))))
        for table in (whole, chunked)
    ]
    np.testing.assert_array_equal(whole.tgt_ids[order[0]], chunked.tgt_ids[order[1]])
    np.testing.assert_allclose(
        whole.probabilities[order[0]], chunked.probabilities[order[1]], atol=1e-9
    )


def test_one_iteration_of_the_model_by_hand(tmp_path):
    """Two pairs, a b = x y and a = x, with the formulas of the paper in plain loops."""
    with StoreWriter(tmp_path, 2, 2) as writer:
        writer.append([[0, 1], [0]], [[0, 1], [0]])
        writer.finish({})
    learned = learn_translations(TokenStore.open(tmp_path), 2, 2, n_iterations=1)
    counts = np.zeros((2, 2))
    for src, tgt in (([0, 1], [0, 1]), ([0], [0])):
        for j, y in enumerate(tgt):
            near = [
                np.exp(-4.0 * abs((i + 0.5) / len(src) - (j + 0.5) / len(tgt)))
                for i in range(len(src))
            ]
            for i, x in enumerate(src):
                counts[x, y] += 0.92 * near[i] / sum(near)
    expected = counts / counts.sum(1, keepdims=True)
    found = np.zeros((2, 2))
    found[np.repeat([0, 1], np.diff(learned.offsets)), learned.tgt_ids] = learned.probabilities
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_fewer_pairs_are_drawn_from_the_whole_corpus(id_store):
    learned = learn_translations(id_store, N_WORDS, 2 * N_WORDS, max_pairs=300)
    assert learned.tgt_ids[learned.offsets[:-1]].tolist() == [
        N_WORDS + word for word in range(N_WORDS)
    ]


def test_tokens_that_are_always_allowed(made, tiny_tokenizer, ko_en_pairs):
    special = tiny_tokenizer.tgt.special
    always = set(made.always.tolist())
    counts = np.bincount(
        np.concatenate(tiny_tokenizer.tgt.encode([pair.tgt for pair in ko_en_pairs])), minlength=600
    )
    top = set(np.flatnonzero(counts > np.sort(counts)[-21]).tolist())
    n_bytes = sum(piece.kind == "byte" for piece in tiny_tokenizer.tgt.entries())
    assert n_bytes == 256
    assert {special.eos, special.unk} | top <= always
    assert {
        i for i, piece in enumerate(tiny_tokenizer.tgt.entries()) if piece.kind == "byte"
    } <= always
    assert not {special.pad, special.bos} & always
    assert len(always) <= 2 + 256 + 20


def test_a_selection_equals_a_plain_loop(made, sources):
    selection = made.select(sources)
    ids = selection.token_ids.tolist()
    assert ids == sorted(set(ids))
    assert len(ids) % 16 == 0
    for row, source in enumerate(sources):
        expected = set(made.always.tolist())
        for piece in source:
            expected |= set(made.candidates[piece].tolist())
        assert allowed(selection, row) == expected
        assert set(source) <= expected  # copies


def test_candidates_do_not_depend_on_other_sentences(made, sources):
    together = made.select(sources)
    for row, source in enumerate(sources):
        assert allowed(together, row) == allowed(made.select([source]), 0)
    assert made.select([[], sources[0]]).is_allowed_BV[0].sum() == len(made.always)


def test_a_selection_of_everything_is_not_longer_than_the_vocabulary(made, sources):
    everything = Shortlist(made.candidates, np.arange(595), made.tgt_vocab_size, "", {})
    assert everything.select(sources[:1]).token_ids.tolist() == list(range(600))


def test_save_and_load(made, tiny_tokenizer, sources, tmp_path):
    made.save(tmp_path / "x.safetensors")
    again = Shortlist.load(tmp_path / "x.safetensors", tiny_tokenizer)
    assert again.settings == {"n_candidates": 8, "n_frequent": 20, "n_pairs": 202}
    for ours, theirs in zip(made.select(sources), again.select(sources), strict=True):
        assert ours.equal(theirs)


def test_a_vocabulary_for_each_side(ko_en_pairs, tmp_path):
    src = Subword(
        train_subword(
            [pair.src for pair in ko_en_pairs],
            TokenizerConfig(vocab_size=600, character_coverage=0.98),
        )
    )
    tgt = Subword(
        train_subword(
            [pair.tgt for pair in ko_en_pairs],
            TokenizerConfig(vocab_size=400, character_coverage=0.98),
        )
    )
    tokenizer = Tokenizer(src, tgt)
    with store_of_pairs([*ko_en_pairs, SentencePair("", "left out")], tokenizer) as store:
        assert len(store) == len(ko_en_pairs)
        made = make_shortlist(store, tokenizer, ShortlistConfig(n_candidates=3, n_frequent=0))
    made.save(tmp_path / "x.safetensors")
    again = Shortlist.load(tmp_path / "x.safetensors", tokenizer)
    assert len(again.candidates) == 600
    full_stop = src.lookup_ids(["."])[0]
    assert tgt.lookup_ids(["."])[0] in allowed(again.select([[full_stop]]), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"tokenizer_sha256": "0" * 64}}, "another tokenizer"),
        ({"metadata": {"mtkit_shortlist": "2"}}, "not a shortlist"),
        ({"ids": lambda ids: ids + 600}, "do not fit"),
        ({"ids": lambda ids: ids - 1000}, "do not fit"),
        ({"ids": lambda ids: ids[:-1]}, "do not fit"),
        ({"ids": lambda ids: ids.astype(np.int64)}, "do not fit"),
        ({"always": lambda ids: ids[:0]}, "do not fit"),
        ({"offsets": lambda offsets: offsets[:-1]}, "do not fit"),
        ({"offsets": lambda offsets: offsets[::-1].copy()}, "do not fit"),
        (
            {"offsets": lambda offsets: np.where(np.arange(len(offsets)) == 5, 1 << 60, offsets)},
            "do not fit",
        ),
    ],
)
def test_a_damaged_file_is_refused(made, tiny_tokenizer, tmp_path, change, message):
    path = tmp_path / "x.safetensors"
    made.save(path)
    tensors = load_file(path)
    metadata = {
        "mtkit_shortlist": "1",
        "tokenizer_sha256": tiny_tokenizer.sha256,
        "settings": "[" * 100_000,
    } | change.pop("metadata", {})
    save_file(
        {name: change.get(name, lambda same: same)(tensor) for name, tensor in tensors.items()},
        path,
        metadata,
    )
    with pytest.raises(MtkitError, match=message):
        Shortlist.load(path, tiny_tokenizer)


def test_no_file(tiny_tokenizer, tmp_path):
    with pytest.raises(MtkitError, match="no such shortlist"):
        Shortlist.load(tmp_path / "x", tiny_tokenizer)
    (tmp_path / "x").write_bytes(b"short")
    with pytest.raises(MtkitError, match="header too small"):
        Shortlist.load(tmp_path / "x", tiny_tokenizer)

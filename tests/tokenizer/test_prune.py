"""A pruned vocabulary splits its corpus as before, and spells whatever it could spell before."""

import pytest

from mtkit.config.prune import PruneConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.cross_vocab import encode_tokens
from mtkit.tokenizer.extend import with_shared_tokens
from mtkit.tokenizer.model_proto import arrange_entries
from mtkit.tokenizer.prune import prune_tokenizer
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

N_CORPUS = 40


@pytest.fixture(scope="module")
def texts(ko_en_pairs):
    return [text for pair in ko_en_pairs for text in (pair.src, pair.tgt)]


@pytest.fixture(scope="module")
def make_joint(texts):
    known = {}

    def make(kind, byte_fallback=True):
        if (kind, byte_fallback) not in known:
            config = TokenizerConfig(
                type=kind,
                vocab_size=(1300 if kind == "bpe" else 980) - 256 * (not byte_fallback),
                byte_fallback=byte_fallback,
                user_symbols=("<2en>",),
            )
            known[kind, byte_fallback] = Subword(train_subword(texts, config))
        return known[kind, byte_fallback]

    return make


def count(subword, texts):
    import numpy as np

    ids = [i for row in subword.encode(texts) for i in row]
    return np.bincount(ids, minlength=subword.vocab_size)


def pruned(subword, texts, **settings):
    """The vocabulary after pruning to texts, which are source and target in turns."""
    counts = count(subword, texts[::2]), count(subword, texts[1::2])
    tokenizer = prune_tokenizer(Tokenizer(subword, subword), *counts, PruneConfig(**settings))
    assert tokenizer.has_one_model
    return tokenizer.src


def kinds_of_tokens(subword, texts):
    entries = subword.entries()
    return {entries[i].kind for row in subword.encode(texts) for i in row}


@pytest.mark.parametrize("byte_fallback", [True, False])
@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_the_corpus_is_split_as_before(make_joint, texts, kind, byte_fallback):
    old, corpus = make_joint(kind, byte_fallback), texts[:N_CORPUS]
    new = pruned(old, corpus)
    assert new.encode_as_tokens(corpus) == old.encode_as_tokens(corpus)
    # Of a vocabulary of characters, all are kept.
    assert new.vocab_size == old.vocab_size if kind == "char" else new.vocab_size < old.vocab_size
    kept, entries = new.entries(), old.entries()
    assert kept == sorted(kept, key={entry: i for i, entry in enumerate(entries)}.__getitem__)
    always = [entry for entry in entries if entry.kind != "text" or len(entry.text) == 1]
    assert set(always) <= set(kept)
    assert [kept[i].text for i in new.special] == [entries[i].text for i in old.special]


@pytest.mark.parametrize("byte_fallback", [True, False])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_other_text_is_spelled_with_what_is_left(make_joint, texts, kind, byte_fallback):
    old = make_joint(kind, byte_fallback)
    new = pruned(old, texts[:N_CORPUS], min_count=5)
    assert new.decode(new.encode(texts)) == [old.normalize(text) for text in texts]
    assert kinds_of_tokens(new, texts) == kinds_of_tokens(old, texts) == {"text"}
    assert new.encode_as_tokens(texts[:N_CORPUS]) != old.encode_as_tokens(texts[:N_CORPUS])


def test_bpe_tokens_keep_their_merge_paths(make_joint, texts):
    old, corpus = make_joint("bpe"), texts[:N_CORPUS]
    new, counts = pruned(old, corpus), count(old, corpus)
    kept = [entry.text for entry in new.entries() if entry.kind == "text"]
    assert [len(ids) for ids in encode_tokens(new, kept)] == [
        len(ids) for ids in encode_tokens(old, kept)
    ]
    # Without the tokens on the way, the corpus would be split in other ways.
    entries = old.entries()
    used = [
        entry.text
        for entry, n in zip(entries, counts, strict=True)
        if n or entry.kind != "text" or len(entry.text) == 1
    ]
    assert len(used) < new.vocab_size
    without_paths = Subword(arrange_entries(old.model_bytes, used))
    assert without_paths.encode_as_tokens(corpus) != old.encode_as_tokens(corpus)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_size_keeps_the_most_frequent_tokens(make_joint, texts, kind):
    old, corpus = make_joint(kind), texts[:N_CORPUS]
    largest = pruned(old, corpus).vocab_size
    smallest = pruned(old, corpus, min_count=10_000).vocab_size
    size = (smallest + largest) // 2
    new = pruned(old, corpus, size=size)
    assert new.vocab_size == size
    counts = {entry.text: n for entry, n in zip(old.entries(), count(old, corpus), strict=True)}
    kept = {entry.text for entry in new.entries()}
    removed = max(n for text, n in counts.items() if text not in kept)
    rare = [text for text in kept if len(text) > 1 and 0 < counts[text] < removed]
    # Only on the merge path of a more frequent token.
    assert not rare or kind == "bpe"
    with pytest.raises(MtkitError, match=rf"--size \(20\) is too small: .* take {smallest:,}"):
        pruned(old, corpus, size=20)


@pytest.mark.parametrize("byte_fallback", [True, False])
def test_characters_of_the_corpus_only(make_joint, texts, byte_fallback):
    old, corpus = make_joint("unigram", byte_fallback), texts[:N_CORPUS]
    new = pruned(old, corpus, characters="corpus")
    assert new.encode_as_tokens(corpus) == old.encode_as_tokens(corpus)
    assert new.vocab_size < pruned(old, corpus).vocab_size
    others = kinds_of_tokens(new, texts) - {"text"}
    assert others == ({"byte"} if byte_fallback else {"special"})


def test_tokens_of_characters_without_a_token_are_kept(make_joint, texts):
    full = make_joint("unigram", False)
    token = next(e.text for e in full.entries() if len(e.text) > 3 and e.text[0] == "▁")
    tokens = [e.text for e in full.entries() if e.text != token[2]]
    old = Subword(arrange_entries(full.model_bytes, tokens))
    assert old.encode_as_tokens([token[1:]]) == [[token]]
    for settings in ({}, {"min_count": 1000}, {"size": 700}):
        new = pruned(old, ["나는 간다", "물"], **settings)
        assert new.vocab_size < old.vocab_size
        assert new.encode_as_tokens([token[1:]]) == [[token]]
    assert token not in [entry.text for entry in pruned(full, ["나는 간다", "물"]).entries()]


def test_each_side_is_pruned_by_its_own_text(ko_en_pairs):
    sides = [[pair.src for pair in ko_en_pairs], [pair.tgt for pair in ko_en_pairs]]
    separate = Tokenizer(
        *(
            Subword(train_subword(side, TokenizerConfig(vocab_size=size, type=kind)))
            for side, size, kind in zip(sides, (900, 450), ("bpe", "unigram"), strict=True)
        )
    )
    shared = with_shared_tokens(separate)
    for old in (separate, shared):
        models = (old.src, old.tgt)
        counts = [count(model, side[:30]) for model, side in zip(models, sides, strict=True)]
        new = prune_tokenizer(old, counts[0], counts[1], PruneConfig())
        assert new.joint == old.joint and not new.has_one_model
        for before, after, side in zip(models, (new.src, new.tgt), sides, strict=True):
            assert after.vocab_size < before.vocab_size
            assert after.encode_as_tokens(side[:30]) == before.encode_as_tokens(side[:30])
            assert after.decode(after.encode(side)) == before.decode(before.encode(side))

"""Sentences rewritten between store and model: still the same pairs, the same whoever does it, and
never unusable.
"""

import pickle
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.build import BatchBuilder
from mtkit.batches.online_augment import GROUP_SIZE, OnlineAugmenter, TaggedPairs, rebatch
from mtkit.config.augment import AugmentConfig
from mtkit.config.recipe import Recipe
from mtkit.config.sampling import SamplingConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from tests.batches.store import LostStore

LANGS = ("ko", "en")
EVERYTHING = (
    SamplingConfig(src_dropout=0.2, tgt_dropout=0.1),
    AugmentConfig(upper_case=0.2, typos=0.2, drop_end_punctuation=0.2, noise=0.2),
)


def rewriter(
    tokenizer,
    sampling=SamplingConfig(),
    augment=AugmentConfig(),
    seed=1,
    max_length=100,
    langs=LANGS,
):
    return OnlineAugmenter(tokenizer, sampling, augment, langs, seed, max_length)


@pytest.fixture(scope="module")
def pairs(ko_en_pairs, tiny_tokenizer):
    """True pairs as a batch; every third source has two tags."""
    n_tags = [2 * (i % 3 == 0) for i in range(len(ko_en_pairs))]
    sources = tiny_tokenizer.src.encode([pair.src for pair in ko_en_pairs])
    src = [np.array([7, 8][:n] + ids, np.uint16) for n, ids in zip(n_tags, sources, strict=True)]
    tgt = [
        np.array(ids, np.uint16)
        for ids in tiny_tokenizer.tgt.encode([pair.tgt for pair in ko_en_pairs])
    ]
    return TaggedPairs(src, tgt, n_tags)


def decoded(subword, rows):
    return subword.decode([row.tolist() for row in rows])


def texts(tokenizer, src, tgt, n_tags):
    return list(
        zip(
            decoded(tokenizer.src, [row[n:] for row, n in zip(src, n_tags, strict=True)]),
            decoded(tokenizer.tgt, tgt),
            strict=True,
        )
    )


def as_lists(sides):
    return [[row.tolist() for row in side] for side in sides]


def test_sampling_changes_tokens_but_not_text(tiny_tokenizer, pairs):
    src, tgt = rewriter(tiny_tokenizer, SamplingConfig(src_dropout=0.3)).augment(pairs, (0, 0, 0))
    assert texts(tiny_tokenizer, src, tgt, pairs.n_tags) == texts(
        tiny_tokenizer, pairs.src, pairs.tgt, pairs.n_tags
    )
    assert sum(len(row) for row in src) > 1.08 * sum(len(row) for row in pairs.src)
    assert all(row[:n].tolist() == [7, 8][:n] for row, n in zip(src, pairs.n_tags, strict=True))
    assert {row.dtype for row in src} == {np.dtype(np.uint16)}
    assert all(new is old for new, old in zip(tgt, pairs.tgt, strict=True))


def test_a_unigram_model_samples_by_alpha(ko_en_pairs):
    subword = Subword(
        train_subword(
            [pair.tgt for pair in ko_en_pairs], TokenizerConfig(type="unigram", vocab_size=400)
        )
    )
    tokenizer = Tokenizer(subword, subword)
    rows = [np.array(ids, np.uint16) for ids in subword.encode([pair.tgt for pair in ko_en_pairs])]
    src, tgt = rewriter(tokenizer, SamplingConfig(tgt_alpha=0.1)).augment(
        TaggedPairs(rows, rows, [0] * len(rows)), (0, 0, 0)
    )
    assert all(new is old for new, old in zip(src, rows, strict=True))
    assert decoded(subword, tgt) == decoded(subword, rows)
    assert sum(new is not old for new, old in zip(tgt, rows, strict=True)) > 0.7 * len(rows)


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (
            AugmentConfig(drop_end_punctuation=1),
            lambda src, tgt: (src.rstrip(".?!"), tgt.rstrip(".?!")),
        ),
        (AugmentConfig(upper_case=1), lambda src, tgt: (src, tgt)),
    ],
)
def test_alterations_are_made_on_the_text(tiny_tokenizer, pairs, augment, expected):
    src, tgt = rewriter(tiny_tokenizer, augment=augment).augment(pairs, (0, 0, 0))
    before, after = (
        texts(tiny_tokenizer, pairs.src, pairs.tgt, pairs.n_tags),
        texts(tiny_tokenizer, src, tgt, pairs.n_tags),
    )
    # A Korean source has no capitals, and gives no cause to write its translation in them.
    assert after == [expected(*pair) for pair in before]
    plain = [
        [7, 8][:n] + ids
        for n, ids in zip(
            pairs.n_tags, tiny_tokenizer.src.encode([pair[0] for pair in after]), strict=True
        )
    ]
    assert [row.tolist() for row in src] == plain


def test_in_the_other_direction_capitals_are_taken_over(tiny_tokenizer, pairs):
    src, tgt = rewriter(
        tiny_tokenizer, augment=AugmentConfig(upper_case=1), langs=("en", "ko")
    ).augment(TaggedPairs(pairs.tgt, pairs.tgt, [0] * 202), (0,))
    before = decoded(tiny_tokenizer.src, pairs.tgt)
    n_upper = sum(
        line == old.upper()
        for line, old in zip(decoded(tiny_tokenizer.src, src), before, strict=True)
    )
    assert n_upper > 190 and decoded(tiny_tokenizer.src, src) == decoded(tiny_tokenizer.src, tgt)


def rewrite_elsewhere(packed):
    one, pairs, position = pickle.loads(packed)
    return as_lists(one.augment(pairs, position))


def test_all_depends_on_the_seed_and_the_position_alone(tiny_tokenizer, pairs):
    positions = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    one = rewriter(tiny_tokenizer, *EVERYTHING)
    expected = {position: as_lists(one.augment(pairs, position)) for position in positions}
    other = as_lists(rewriter(tiny_tokenizer, *EVERYTHING, 2).augment(pairs, (0, 0, 0)))
    assert len({str(lists) for lists in [*expected.values(), other]}) == 5
    again = rewriter(tiny_tokenizer, *EVERYTHING)
    assert {
        position: as_lists(again.augment(pairs, position)) for position in reversed(positions)
    } == expected
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert (
            pool.submit(rewrite_elsewhere, pickle.dumps((one, pairs, (0, 1, 0)))).result()
            == expected[0, 1, 0]
        )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), max_length=st.integers(5, 60))
def test_augmented_pairs_are_always_trainable(tiny_tokenizer, pairs, seed, max_length):
    src, tgt = rewriter(tiny_tokenizer, *EVERYTHING, seed=seed, max_length=max_length).augment(
        pairs, (seed, 0, 3)
    )
    special = tiny_tokenizer.src.special
    for i, n in enumerate(pairs.n_tags):
        is_same = src[i] is pairs.src[i] and tgt[i] is pairs.tgt[i]
        assert is_same or (n < len(src[i]) <= max_length + n and 0 < len(tgt[i]) <= max_length)
        assert not set(special) & {*src[i].tolist(), *tgt[i].tolist()}


def test_unknown_tokens_are_kept_but_never_added(ko_en_pairs):
    src_texts = [pair.tgt for pair in ko_en_pairs]
    subword = Subword(
        train_subword(src_texts, TokenizerConfig(vocab_size=200, byte_fallback=False))
    )
    rows = [np.array(ids, np.uint16) for ids in subword.encode(["I drink 漢.", *src_texts])]
    both = SamplingConfig(src_dropout=0.9, tgt_dropout=0.9), AugmentConfig(noise=0.5, typos=0.5)
    src, tgt = rewriter(Tokenizer(subword, subword), *both).augment(
        TaggedPairs(rows, rows, [0] * len(rows)), (0, 0, 0)
    )
    assert src[0] is rows[0] and tgt[0] is rows[0]
    assert subword.special.unk in src[0] and not any(
        subword.special.unk in row for row in [*src[1:], *tgt[1:]]
    )


@pytest.mark.parametrize(
    ("changes", "group_size"),
    [
        ([], 1),
        (["augment.merge=0.5"], 1),
        (["augment.noise=0.1"], GROUP_SIZE),
        (["sampling.tgt_dropout=0.1"], GROUP_SIZE),
    ],
)
def test_batches_are_built_in_groups_only_with_augmentation(
    tiny_recipe_path, tiny_tokenizer, changes, group_size
):
    recipe = Recipe.load(tiny_recipe_path, changes)
    builder = BatchBuilder.for_recipe(recipe, LostStore(), tiny_tokenizer)  # pyright: ignore[reportArgumentType]
    assert builder.group_size == group_size


def test_a_group_of_batches_becomes_as_many_batches_of_the_same_pairs(tiny_tokenizer, pairs):
    one = rewriter(tiny_tokenizer, *EVERYTHING)
    bounds = [0, 50, 120, 150, 202]
    batches = [
        TaggedPairs(pairs.src[start:end], pairs.tgt[start:end], pairs.n_tags[start:end])
        for start, end in pairwise(bounds)
    ]
    dealt = one.augment_group(batches, (3, 1, 32))
    whole = one.augment(pairs, (3, 1, 32))
    assert len(dealt) == 4
    expected = Counter((tuple(a.tolist()), tuple(b.tolist())) for a, b in zip(*whole, strict=True))
    assert (
        Counter(
            (tuple(a.tolist()), tuple(b.tolist()))
            for src, tgt, _ in dealt
            for a, b in zip(src, tgt, strict=True)
        )
        == expected
    )
    assert [as_lists(batch) for batch in one.augment_group(batches, (3, 1, 32))] == [
        as_lists(batch) for batch in dealt
    ]
    for batch in dealt:
        assert as_lists(batch[:2]) == as_lists([[side[i] for i in batch.indices] for side in whole])


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=80), data=st.data())
def test_each_pair_is_dealt_to_one_of_the_given_number_of_batches(lengths, data):
    n_batches = data.draw(st.integers(1, len(lengths)))
    batches = rebatch(
        np.array(lengths), n_batches, np.random.default_rng(data.draw(st.integers(0, 9)))
    )
    assert len(batches) == n_batches and all(len(batch) for batch in batches)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))


def test_dealt_batches_have_similar_size_and_little_padding():
    lengths = np.random.default_rng(1).gamma(4, 5, size=5000).astype(int) + 1
    batches = rebatch(lengths, 30, np.random.default_rng(1))
    padded = [len(batch) * lengths[batch].max() for batch in batches]
    assert max(padded) < 1.1 * lengths.sum() / 30 and min(
        padded[i] for i in np.argsort(padded)[1:]
    ) > 0.9 * max(padded)
    firsts = [lengths[batch].max() for batch in batches]
    assert firsts != sorted(firsts) and firsts != sorted(firsts, reverse=True)

"""Bucketing: every pair once, within the limit, with little padding."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.bucketing import make_batches, padding_share
from mtkit.errors import MtkitError

lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=200)


def sides(pairs):
    src, tgt = np.array(pairs, dtype=np.int32).T
    return src, tgt


def corpus_like_lengths(n, seed=0):
    """Lengths as in newspaper text: log-normal, the target within some 25% of the source."""
    rng = np.random.default_rng(seed)
    src = np.clip(np.exp(rng.normal(3.0, 0.6, n)), 2, 257).astype(np.int32)
    tgt = np.clip(src * np.exp(rng.normal(0.0, 0.25, n)), 2, 257).astype(np.int32)
    return src, tgt


@given(pairs=lengths, max_tokens=st.integers(60, 600), seed=st.integers(0, 2**32 - 1))
def test_every_pair_occurs_exactly_once(pairs, max_tokens, seed):
    batches = make_batches(*sides(pairs), max_tokens, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    assert all(len(batch) for batch in batches)


@given(pairs=lengths, max_tokens=st.integers(60, 600), seed=st.integers(0, 2**32 - 1))
def test_no_batch_is_larger_than_max_tokens(pairs, max_tokens, seed):
    src, tgt = sides(pairs)
    for batch in make_batches(src, tgt, max_tokens, np.random.default_rng(seed)):
        assert len(batch) * max(src[batch].max(), tgt[batch].max()) <= max_tokens


@given(pairs=lengths, max_tokens=st.integers(60, 600), seed=st.integers(0, 2**32 - 1))
def test_the_same_generator_gives_the_same_batches(pairs, max_tokens, seed):
    first, second = (
        make_batches(*sides(pairs), max_tokens, np.random.default_rng(seed)) for _ in range(2)
    )
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


@given(pairs=lengths, max_tokens=st.integers(60, 600))
def test_number_of_batches_is_deterministic(pairs, max_tokens):
    assert (
        len(
            {
                len(make_batches(*sides(pairs), max_tokens, np.random.default_rng(seed)))
                for seed in range(4)
            }
        )
        == 1
    )


@settings(max_examples=30)
@given(pairs=lengths, max_tokens=st.integers(60, 600), src_multiple=st.sampled_from([1, 8]))
def test_padding_share_is_the_share_of_unused_cells(pairs, max_tokens, src_multiple):
    src, tgt = sides(pairs)
    batches = make_batches(src, tgt, max_tokens, np.random.default_rng(0))
    is_pad = []
    for batch in batches:
        for side, multiple in ((src, src_multiple), (tgt, 1)):
            width = math.ceil(max(side[i] for i in batch) / multiple) * multiple
            is_pad += [column >= side[i] for i in batch for column in range(width)]
    found = padding_share(batches, src, tgt, src_multiple)
    assert found == pytest.approx(sum(is_pad) / len(is_pad))


def test_little_is_padding_and_batches_are_nearly_full():
    src, tgt = corpus_like_lengths(30_000)
    batches = make_batches(src, tgt, 4096, np.random.default_rng(1))
    assert padding_share(batches, src, tgt) < 0.1
    full = [len(batch) * max(src[batch].max(), tgt[batch].max()) / 4096 for batch in batches]
    assert np.mean(full) > 0.95
    # At random, half of all positions would be padding.
    in_order = np.array_split(np.arange(len(src)), len(batches))
    assert padding_share(in_order, src, tgt) > 0.5


def test_pairs_of_equal_length_are_batched_differently_in_each_epoch():
    src = tgt = np.full(1000, 10)
    first, second = (make_batches(src, tgt, 1000, np.random.default_rng(seed)) for seed in (1, 2))
    companions_of_0 = [
        next(set(batch.tolist()) for batch in batches if 0 in batch) for batches in (first, second)
    ]
    assert len(companions_of_0[0] & companions_of_0[1]) < 50


def test_last_batch_is_not_tiny():
    src = tgt = np.full(101, 10)
    assert sorted(
        len(batch) for batch in make_batches(src, tgt, 500, np.random.default_rng(0))
    ) == [25, 26, 50]
    assert sorted(
        len(batch) for batch in make_batches(src[:51], tgt[:51], 500, np.random.default_rng(0))
    ) == [25, 26]


def test_batches_are_not_ordered_by_length():
    src, tgt = corpus_like_lengths(20_000)
    widths = [src[batch].max() for batch in make_batches(src, tgt, 2048, np.random.default_rng(0))]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


def test_a_pair_that_fits_no_batch_is_named():
    with pytest.raises(
        MtkitError, match=r"pair 2 of the training data has 41 tokens .*\(40\)"
    ) as caught:
        make_batches([3, 4, 5], [3, 41, 5], 40, np.random.default_rng(0))
    assert "batches.max_tokens" in caught.value.hint
    with pytest.raises(MtkitError, match="pair 71 of the training data"):
        make_batches(
            [3, 4, 5], [3, 41, 5], 40, np.random.default_rng(0), rows=np.array([60, 70, 80])
        )
    assert len(make_batches([3, 4, 5], [3, 40, 5], 40, np.random.default_rng(0))) == 2


@given(pairs=lengths, max_tokens=st.integers(60, 600))
def test_batches_end_where_the_next_pair_would_not_fit(pairs, max_tokens):
    """Jumping over pairs of one length comes out where going from batch to batch does."""
    src, tgt = sides(pairs)
    longer = np.sort(np.maximum(src, tgt))[::-1]
    sizes, start = [], 0
    while start < len(longer):
        sizes.append(min(max_tokens // longer[start], len(longer) - start))
        start += sizes[-1]
    if len(sizes) > 1:
        both = sizes[-2] + sizes[-1]
        sizes[-2:] = [min(sizes[-2], (both + 1) // 2), max(sizes[-1], both // 2)]
    assert sorted(map(len, make_batches(src, tgt, max_tokens, np.random.default_rng(0)))) == sorted(
        sizes
    )


def test_batches_are_a_sequence():
    src, tgt = corpus_like_lengths(1000)
    batches = make_batches(src, tgt, 512, np.random.default_rng(0))
    assert [batch.tolist() for batch in batches[2:5]] == [batches[i].tolist() for i in (2, 3, 4)]
    assert batches[-1].tolist() == batches[len(batches) - 1].tolist()
    with pytest.raises(IndexError):
        batches[len(batches)]


def test_lengths_beyond_16_bits_are_sorted_too():
    src = np.array([70_000, 3, 40_000, 65_537, 2])
    batches = make_batches(src, src, 100_000, np.random.default_rng(0))
    assert {tuple(sorted(batch.tolist())) for batch in batches} >= {(0,), (3,)}


@pytest.mark.parametrize(("src", "tgt"), [([1, 2], [1]), ([[1]], [[1]]), ([0, 1], [1, 1])])
def test_wrong_lengths_are_a_bug_of_the_caller(src, tgt):
    with pytest.raises(ValueError, match="length"):
        make_batches(src, tgt, 10, np.random.default_rng(0))


def test_no_pairs_make_no_batches():
    assert len(make_batches([], [], 10, np.random.default_rng(0))) == 0
    assert padding_share([], [], []) == 0.0


def test_half_a_million_pairs_are_fast():
    src, tgt = corpus_like_lengths(500_000)
    start = time.perf_counter()
    make_batches(src, tgt, 4096, np.random.default_rng(0))
    assert time.perf_counter() - start < 3.0

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mtkit.engines.batching import full_batches, length_batches, mixed_batches, pair_batches

lengths_of_lines = st.lists(st.integers(1, 12), max_size=200)


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300), n_workers=st.integers(1, 4))
def test_each_line_is_in_one_batch_and_batches_keep_the_limit(lengths, max_tokens, n_workers):
    batches = length_batches(lengths, max_tokens, n_workers)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= max_tokens


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300), n_workers=st.integers(1, 4))
def test_batches_have_one_length_each_in_descending_order_and_similar_size(
    lengths, max_tokens, n_workers
):
    batches = length_batches(lengths, max_tokens, n_workers)
    assert all(len({lengths[i] for i in batch}) == 1 for batch in batches)
    in_order = [lengths[i] for batch in batches for i in batch]
    assert in_order == sorted(lengths, reverse=True)
    for length, n_lines in Counter(lengths).items():
        sizes = [len(batch) for batch in batches if lengths[batch[0]] == length]
        assert max(sizes) - min(sizes) <= 1
        # No more than the limit asks for, unless workers share them, and then none is small.
        n_needed = -(-n_lines // max(max_tokens // length, 1))
        assert len(sizes) == n_needed or (len(sizes) % n_workers == 0 and min(sizes) >= 16)


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300), n_workers=st.integers(1, 4))
def test_mixed_batches_are_sorted_by_length_and_similar_in_size(lengths, max_tokens, n_workers):
    batches = mixed_batches(lengths, max_tokens, n_workers)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert [lengths[i] for batch in batches for i in batch] == sorted(lengths, reverse=True)
    sizes = [sum(lengths[i] for i in batch) for batch in batches]
    # A sentence that lies on a border counts as part of one side.
    assert all(
        size < max_tokens + max(lengths) or len(batch) == 1
        for size, batch in zip(sizes, batches, strict=True)
    )
    assert max(sizes, default=0) - min(sizes, default=0) <= 2 * max(lengths, default=0)


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300))
def test_full_batches_are_sorted_by_length_and_filled(lengths, max_tokens):
    batches = full_batches(lengths, max_tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert [lengths[i] for batch in batches for i in batch] == sorted(lengths, reverse=True)
    for number, batch in enumerate(batches):
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= max_tokens
        if number + 1 < len(batches):
            assert (len(batch) + 1) * lengths[batch[0]] > max_tokens


def test_workers_share_mixed_batches():
    assert len(mixed_batches([10] * 100, 500, 1)) == 2
    assert len(mixed_batches([10] * 100, 500, 3)) == 3
    # Too few to be cut further.
    assert len(mixed_batches([10] * 40, 500, 3)) == 1


def test_each_line_alone_where_one_token_is_the_limit():
    assert mixed_batches([3, 1, 2, 2], 1) == [[0], [2], [3], [1]]


@given(
    lengths=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=100),
    max_tokens=st.integers(1, 100),
)
def test_pairs_share_a_batch_if_both_lengths_are_equal(lengths, max_tokens):
    batches = pair_batches(lengths, max_tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        [pair] = {lengths[i] for i in batch}
        assert len(batch) == 1 or len(batch) * max(pair) <= max_tokens
    longer_sides = [max(lengths[i]) for batch in batches for i in batch]
    assert longer_sides == sorted(longer_sides, reverse=True)
    # No more of them than the limit asks for.
    assert len(batches) == sum(
        -(-n // max(max_tokens // max(pair), 1)) for pair, n in Counter(lengths).items()
    )


def test_nothing_to_batch():
    assert length_batches([], 10) == mixed_batches([], 10) == full_batches([], 10) == []

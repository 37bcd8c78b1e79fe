"""Lengths with padding."""

from itertools import pairwise

from mtkit.search.batch_layout import coarse_length, padded_length


def test_a_padded_length_is_hardly_more_and_grows_with_the_sentence():
    lengths = [padded_length(n) for n in range(1, 2000)]
    assert all(
        n <= length < n + 16 and length <= max(4, 1.75 * n) for n, length in enumerate(lengths, 1)
    )
    assert all(a <= b for a, b in pairwise(lengths))
    # Padded once more, it stays.
    assert [padded_length(length) for length in lengths] == lengths


def test_padding_stops_at_a_limit():
    assert [padded_length(n, limit=10) for n in (1, 8, 9, 10, 11)] == [4, 8, 10, 10, 11]


def test_coarse_lengths_are_few_and_less_than_half_more():
    assert sorted({coarse_length(n) for n in range(1, 513)}) == [
        16,
        24,
        32,
        48,
        64,
        96,
        128,
        192,
        256,
        384,
        512,
    ]
    assert all(n <= coarse_length(n) <= max(16, 1.5 * n) for n in range(1, 5000))

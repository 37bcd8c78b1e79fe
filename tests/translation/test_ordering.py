from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mtkit.translation.ordering import length_batches

lengths_of_lines = st.lists(st.integers(1, 60), max_size=60)


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300))
def test_each_line_is_in_one_batch_and_batches_keep_the_limit(lengths, max_tokens):
    batches = length_batches(lengths, max_tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= max_tokens


@given(lengths=lengths_of_lines, max_tokens=st.integers(1, 300))
def test_batches_are_of_one_length_each_and_none_could_take_one_more_of_its_own(lengths, max_tokens):
    batches = length_batches(lengths, max_tokens)
    in_order = [lengths[i] for batch in batches for i in batch]
    assert in_order == sorted(lengths, reverse=True)
    assert all(len({lengths[i] for i in batch}) == 1 for batch in batches)
    for batch, after in pairwise(batches):
        assert lengths[batch[0]] != lengths[after[0]] or (len(batch) + 1) * lengths[batch[0]] > max_tokens


def test_nothing_to_batch():
    assert length_batches([], 10) == []

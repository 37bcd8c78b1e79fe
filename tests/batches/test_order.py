"""The order of batches: decided by seed and epoch, and continued from any position."""

import json
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.order import START, BatchOrder, Position
from mtkit.corpus.store import StoreWriter, TokenStore
from mtkit.errors import MtkitError

LENGTHS = np.random.default_rng(0).integers(2, 40, size=(2, 300))


def order(seed=1, max_tokens=200, lengths=LENGTHS):
    return BatchOrder(lengths[0], lengths[1], max_tokens, seed)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


@given(seed=st.integers(0, 2**63), epoch=st.integers(0, 10_000))
@settings(max_examples=25)
def test_an_epoch_is_decided_by_seed_and_number_alone(seed, epoch):
    wandering = order(seed)
    wandering.batches(epoch + 7)
    assert as_lists(wandering.batches(epoch)) == as_lists(order(seed).batches(epoch))


@given(epochs=st.lists(st.integers(0, 10_000), min_size=2, max_size=2, unique=True), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_epochs_and_seeds_differ(epochs, seed):
    first, second = (as_lists(order(seed).batches(epoch)) for epoch in epochs)
    assert first != second
    assert as_lists(order(seed + 1).batches(epochs[0])) != first


@given(n_before=st.integers(0, 150), n_after=st.integers(1, 60))
@settings(max_examples=40)
def test_continuing_from_a_position_gives_exactly_what_was_to_come(n_before, n_after):
    whole = list(islice(order().iterate(), n_before + n_after))
    position = whole[n_before - 1][1] if n_before else START
    # A checkpoint keeps the position as JSON.
    position = Position(*json.loads(json.dumps(position)))
    rest = list(islice(order().iterate(position), n_after))
    assert as_lists(indices for indices, _ in rest) == as_lists(indices for indices, _ in whole[n_before:])
    assert [after for _, after in rest] == [after for _, after in whole[n_before:]]


def test_each_epoch_holds_the_whole_corpus():
    stream = order().iterate()
    for epoch in range(3):
        seen = []
        while True:
            indices, after = next(stream)
            seen += indices.tolist()
            if after.epoch > epoch:
                break
        assert sorted(seen) == list(range(LENGTHS.shape[1]))
        assert after == Position(epoch + 1, 0)


def test_the_place_behind_the_last_batch_is_the_next_epoch():
    n_batches = len(order().batches(0))
    assert next(order().iterate(Position(0, n_batches)))[0].tolist() == order().batches(1)[0].tolist()


def test_the_current_epoch_is_made_once():
    batches = order()
    assert batches.batches(3) is batches.batches(3)


def test_a_store_s_lengths_do_not_count_the_end_marks(tmp_path):
    with StoreWriter(tmp_path, 100, 100) as writer:
        writer.append(*([[9] * (length - 1) for length in side] for side in LENGTHS))
        writer.finish({})
    store = TokenStore.open(tmp_path)
    assert as_lists(BatchOrder.for_store(store, 200, seed=1).batches(2)) == as_lists(order().batches(2))


def test_padding_is_reported():
    assert 0.0 < order(max_tokens=1000).padding_share() < 0.5


def test_a_position_that_the_data_does_not_have_is_refused():
    with pytest.raises(MtkitError, match=f"batch 9999 of epoch 1, which has {len(order().batches(1))} batches"):
        order().iterate(Position(1, 9999))
    with pytest.raises(ValueError, match="before the first"):
        order().iterate(Position(0, -1))


def test_an_empty_corpus_is_refused_rather_than_gone_through_for_ever():
    with pytest.raises(MtkitError, match="no sentence pairs"):
        order(lengths=np.empty((2, 0), dtype=int))


def test_a_pair_that_fits_no_batch_is_refused_at_once():
    with pytest.raises(MtkitError, match="pair"):
        order(max_tokens=20)

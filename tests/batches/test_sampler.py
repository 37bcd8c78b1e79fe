"""The order of batches: decided by seed, epoch and window, and continued from any position."""

import json
import threading
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.arrays import START, Position
from mtkit.batches.bucketing import make_batches
from mtkit.batches.mixture import DataMixture, MixtureStage
from mtkit.batches.sampler import BatchSampler, Merging
from mtkit.corpus.store.token_store import TokenStore
from mtkit.errors import MtkitError
from tests.batches.store import LengthStore, corpora, plain_order, random_store, write_store

LENGTHS = np.random.default_rng(0).integers(1, 39, size=(2, 300))
STORE = LengthStore(*LENGTHS)


def order(seed=1, max_tokens=200, window=120):
    """Three windows an epoch."""
    return plain_order(STORE, max_tokens, seed, window=window)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


def rows_of(window):
    return [window.batch(i).rows.tolist() for i in range(len(window.batches))]


def as_items(items):
    return [
        ([array.tolist() for array in chosen[:3]], chosen.position, after)
        for chosen, after in items
    ]


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_one_window_equals_make_batches_with_seed_and_epoch(epoch):
    """Runs of earlier releases go on as they began."""
    expected = make_batches(LENGTHS[0] + 1, LENGTHS[1] + 1, 200, np.random.default_rng([5, epoch]))
    assert rows_of(order(seed=5, window=300).window(epoch, 0)) == as_lists(expected)


def test_two_corpora_seen_once_each_are_as_one():
    of_two = BatchSampler(STORE, DataMixture.plain(corpora(100, 200), 5), 200)
    assert rows_of(of_two.window(3, 0)) == rows_of(order(seed=5, window=300).window(3, 0))


@given(seed=st.integers(0, 2**63), epoch=st.integers(0, 10_000), window=st.integers(0, 2))
@settings(max_examples=25)
def test_a_window_is_decided_by_seed_and_place_alone(seed, epoch, window):
    wandering = order(seed)
    wandering.window(epoch + 7, 1)
    assert rows_of(wandering.window(epoch, window)) == rows_of(order(seed).window(epoch, window))


@given(
    epochs=st.lists(st.integers(0, 10_000), min_size=2, max_size=2, unique=True),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_epochs_and_seeds_differ(epochs, seed):
    first, second = (rows_of(order(seed).window(epoch, 0)) for epoch in epochs)
    assert first != second
    assert rows_of(order(seed + 1).window(epochs[0], 0)) != first


@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=3).filter(any),
    weights=st.lists(st.sampled_from([0.3, 1.0, 2.5]), min_size=6, max_size=6),
    window=st.integers(10, 150),
    rate=st.sampled_from([0.0, 0.4]),
    n_before=st.integers(0, 60),
    n_after=st.integers(1, 30),
)
@settings(max_examples=60, deadline=None)
def test_resuming_at_a_position_yields_the_same_batches(
    sizes, weights, window, rate, n_before, n_after
):
    n = len(sizes)
    mix = DataMixture(
        corpora(*sizes),
        [MixtureStage(0, weights[:n]), MixtureStage(2, weights[3 : 3 + n], 3.0)],
        1,
        window=window,
    )
    batches = BatchSampler(STORE, mix, 80, Merging(rate, 60))
    whole = list(islice(batches.iterate(), n_before + n_after))
    position = whole[n_before - 1][1] if n_before else START
    # A checkpoint keeps the position as JSON.
    position = Position(*json.loads(json.dumps(position)))
    rest = BatchSampler(STORE, mix, 80, Merging(rate, 60)).iterate(position)
    assert as_items(islice(rest, n_after)) == as_items(whole[n_before:])
    assert [chosen.position for chosen, _ in whole[1:]] == [after for _, after in whole[:-1]]


def test_windows_of_an_epoch_cover_the_whole_corpus():
    stream = order().iterate()
    for epoch in range(3):
        seen, windows = [], set()
        while True:
            chosen, after = next(stream)
            seen += chosen.rows.tolist()
            windows.add(chosen.position.window)
            if after.epoch > epoch:
                break
        assert sorted(seen) == list(range(300))
        assert windows == {0, 1, 2}
        assert after == Position(epoch + 1, 0, 0)


def test_the_place_behind_the_last_batch_is_the_next_window_and_after_it_the_next_epoch():
    for window, after in (0, (0, 1)), (2, (1, 0)):
        n_batches = len(order().window(0, window).batches)
        assert (
            next(order().iterate(Position(0, window, n_batches)))[0].rows.tolist()
            == rows_of(order().window(*after))[0]
        )


def test_the_current_window_is_made_once():
    batches = order()
    assert batches.window(3, 1) is batches.window(3, 1)


def test_next_window_is_prepared_in_advance():
    asked = []
    enough = threading.Event()

    class WatchedStore(LengthStore):
        def lengths(self, side, rows):
            asked.append(side)
            if len(asked) == 4:
                enough.set()
            return super().lengths(side, rows)

    stream = plain_order(WatchedStore(*LENGTHS), 200, 1, window=120).iterate()
    next(stream)
    assert enough.wait(10)


def test_deleted_stream_leaves_no_thread():
    stream = order().iterate()
    next(stream)
    del stream
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mtkit-order")]


def test_a_store_on_disk_gives_the_same_order(tmp_path):
    in_memory = random_store(100)
    on_disk = TokenStore.open(write_store(tmp_path, in_memory))
    assert rows_of(plain_order(on_disk, 200, 1).window(2, 0)) == rows_of(
        plain_order(in_memory, 200, 1).window(2, 0)
    )


def test_padding_is_reported():
    batches = order(max_tokens=1000)
    assert 0.0 < batches.padding_share(batches.window(0, 1)) < 0.5


@given(
    rate=st.floats(0.1, 1.0),
    max_length=st.integers(2, 50),
    n_tags=st.integers(0, 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_joined_pairs_are_of_one_corpus_and_not_too_long(rate, max_length, n_tags, seed):
    lengths = np.random.default_rng(seed).integers(1 + n_tags, 30, size=(2, 90))
    mix = DataMixture.plain(corpora(40, 50, n_tags=n_tags), seed)
    window = BatchSampler(LengthStore(*lengths), mix, 120, Merging(rate, max_length)).window(0, 0)
    for number in range(len(window.batches)):
        rows, partners, tags, *_ = window.batch(number)
        longest = 0
        for row, partner in zip(rows.tolist(), partners.tolist(), strict=True):
            src, tgt = lengths[:, row]
            if partner >= 0:
                assert (partner < 40) == (row < 40)
                src, tgt = src + lengths[0, partner] - n_tags, tgt + lengths[1, partner]
                assert src - n_tags <= max_length
                assert tgt <= max_length
            longest = max(longest, src + 1, tgt + 1)
        assert len(rows) * longest <= 120
        assert set(tags.tolist()) == {n_tags}
    assert sorted(window.rows.tolist()) == list(range(90))


def test_many_pairs_are_concatenated_where_they_fit():
    window = BatchSampler(STORE, DataMixture.plain(corpora(300), 1), 200, Merging(0.5, 100)).window(
        0, 0
    )
    assert 100 < (window.partners >= 0).sum() < 200


@pytest.mark.parametrize(
    ("position", "named"),
    [
        ((1, 0, 9999), r"batch 9999 of window 0 of epoch 1, which has \d+ batches"),
        ((1, 3, 0), "window 3 of epoch 1, which has 3 windows"),
    ],
)
def test_a_position_that_the_data_does_not_have_is_refused(position, named):
    with pytest.raises(MtkitError, match=named):
        order().iterate(Position(*position))


@pytest.mark.parametrize("position", [(0, 0, -1), (0, -1, 0), (-1, 0, 0)])
def test_a_position_before_the_first_is_a_bug_of_the_caller(position):
    with pytest.raises(ValueError, match="before the first"):
        order().iterate(Position(*position))


def test_a_pair_that_fits_no_batch_is_refused_at_once_and_named():
    place = int(LENGTHS.max(0).argmax())
    with pytest.raises(MtkitError, match=f"pair {place + 1} of the training data"):
        plain_order(STORE, int(LENGTHS.max()), 1).iterate()


def test_a_pair_of_a_later_window_is_named_by_its_place_in_the_store():
    lengths = np.full((2, 300), 5)
    lengths[0, 299] = 100
    batches = plain_order(LengthStore(*lengths), 60, 1, window=100)
    with pytest.raises(MtkitError, match="pair 300 of the training data has 101 tokens"):
        for window in range(3):
            batches.window(1, window)

"""Mixing: each epoch shows of each corpus what the weights say, and every pair gets its turn."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.batches.mixture import DataMixture, MixtureStage
from mtkit.batches.shuffled_stream import ShuffledStream
from mtkit.config.data import DataConfig
from mtkit.errors import MtkitError
from tests.batches.store import corpora

sizes = st.lists(st.integers(0, 80), min_size=1, max_size=4).filter(any)
weights = st.one_of(st.just(0.0), st.floats(0.01, 5.0))


@st.composite
def mixes(draw):
    chosen = draw(sizes)
    n_stages = draw(st.integers(1, 3))
    begins = [
        0,
        *sorted(
            draw(
                st.lists(
                    st.integers(1, 5), min_size=n_stages - 1, max_size=n_stages - 1, unique=True
                )
            )
        ),
    ]
    stages = []
    for begin in begins:
        drawn = draw(st.lists(weights, min_size=len(chosen), max_size=len(chosen)))
        # Some corpus that holds pairs counts.
        drawn[chosen.index(max(chosen))] += 0.5
        stages.append(
            MixtureStage(begin, drawn, draw(st.sampled_from([0.1, 1.0, 1.7, 5.0, 100.0])))
        )
    return DataMixture(
        corpora(*chosen),
        stages,
        draw(st.integers(0, 99)),
        window=draw(st.integers(1, 300)),
        chunk=draw(st.integers(1, 9)),
    )


def shown(mix, epoch):
    """The rows of an epoch, window by window."""
    return [mix.rows(epoch, window) for window in range(mix.n_windows(epoch))]


@given(mix=mixes(), epoch=st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_an_epoch_shows_of_each_corpus_exactly_its_count(mix, epoch):
    rows = np.concatenate(shown(mix, epoch))
    in_corpora = np.bincount(mix.corpus_of(rows), minlength=len(mix.corpora))
    assert in_corpora.tolist() == mix.counts(epoch)
    for corpus, own in zip(
        mix.corpora, (rows[mix.corpus_of(rows) == i] for i in range(len(mix.corpora))), strict=True
    ):
        assert ((corpus.first <= own) & (own < corpus.first + corpus.n_pairs)).all()


@given(mix=mixes(), n_epochs=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_over_some_epochs_every_pair_of_a_corpus_is_shown_equally_often_or_once_more(mix, n_epochs):
    rows = np.concatenate([window for epoch in range(n_epochs) for window in shown(mix, epoch)])
    times = np.bincount(rows, minlength=sum(corpus.n_pairs for corpus in mix.corpora))
    for number, corpus in enumerate(mix.corpora):
        if corpus.n_pairs:
            total = sum(mix.counts(epoch)[number] for epoch in range(n_epochs))
            assert set(times[corpus.first : corpus.first + corpus.n_pairs].tolist()) <= {
                total // corpus.n_pairs,
                -(-total // corpus.n_pairs),
            }


@given(mix=mixes(), epoch=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_windows_are_of_one_size_and_one_mix(mix, epoch):
    windows = shown(mix, epoch)
    assert max(map(len, windows)) <= mix._window + len(mix.corpora)
    assert all((np.diff(rows) >= 0).all() for rows in windows)
    per_window = np.array(
        [np.bincount(mix.corpus_of(rows), minlength=len(mix.corpora)) for rows in windows]
    )
    assert (np.ptp(per_window, axis=0) <= 1).all()


def test_weight_one_yields_every_pair_once_with_any_windows():
    mix = DataMixture.plain(corpora(100, 0, 37), 3, window=50)
    for epoch in range(3):
        rows = np.concatenate(shown(mix, epoch))
        assert mix.n_windows(epoch) == 3
        assert sorted(rows.tolist()) == list(range(137))


def test_half_of_a_corpus_is_followed_by_the_other_half():
    mix = DataMixture(corpora(10, 100), [MixtureStage(0, [1.0, 0.5])], 3)
    first, second, third = (set(mix.rows(epoch, 0)[10:].tolist()) for epoch in range(3))
    assert first | second == set(range(10, 110))
    assert not first & second
    assert third not in (first, second)


def test_three_times_shows_each_pair_three_times():
    assert DataMixture(corpora(2, 3), [MixtureStage(0, [1.0, 3.0])], 0).rows(5, 0).tolist() == [
        0,
        1,
        2,
        2,
        2,
        3,
        3,
        3,
        4,
        4,
        4,
    ]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_temperature_evens_shares_out_and_keeps_the_sum(temperature):
    counts = DataMixture(
        corpora(1_000_000, 10_000, 100), [MixtureStage(0, [1.0, 2.0, 0.5], temperature)], 0
    ).counts(0)
    amounts = [1_000_000, 20_000, 50]
    powers = [amount ** (1 / temperature) for amount in amounts]
    assert counts == [round(sum(amounts) * power / sum(powers)) for power in powers]
    assert sum(counts) == pytest.approx(sum(amounts), abs=2)


def test_a_high_temperature_makes_corpora_equal_and_a_low_one_leaves_the_largest():
    assert (
        DataMixture(corpora(900, 90, 9), [MixtureStage(0, [1.0] * 3, 1e9)], 0).counts(0)
        == [333] * 3
    )
    assert DataMixture(
        corpora(900, 90, 9), [MixtureStage(0, [1.0, 0.0, 10.0], float("inf"))], 0
    ).counts(0) == [
        495,
        0,
        495,
    ]
    # A corpus that counts at all is never left out altogether.
    assert DataMixture(corpora(900, 90, 9), [MixtureStage(0, [1.0, 1.0, 0.0], 1e-3)], 0).counts(
        0
    ) == [
        990,
        1,
        0,
    ]


def test_stages_switch_at_their_epochs_and_continue_the_previous_stage():
    mix = DataMixture(
        corpora(40, 40), [MixtureStage(0, [1.0, 0.25]), MixtureStage(2, [0.0, 0.5])], 1
    )
    assert [mix.counts(epoch) for epoch in range(4)] == [[40, 10], [40, 10], [0, 20], [0, 20]]
    assert [mix.stage(epoch) for epoch in range(4)] == [0, 0, 1, 1]
    of_the_second = [
        set((rows[rows >= 40]).tolist()) for rows in (mix.rows(epoch, 0) for epoch in range(3))
    ]
    assert set.union(*of_the_second) == set(range(40, 80))


def test_only_epochs_already_begun_are_compared():
    first, second = MixtureStage(0, [1.0, 0.5]), MixtureStage(2, [1.0, 2.0])
    mix = DataMixture(corpora(40, 40), [first, second], 1)
    assert mix.counts_until(0) == []
    assert mix.counts_until(2) == [[0, [40, 20]]]
    assert mix.counts_until(3) == [[0, [40, 20]], [2, [40, 80]]]
    # A stage that changes nothing is none.
    assert DataMixture(corpora(40, 40), [first, MixtureStage(1, [1.0, 0.5])], 1).counts_until(
        5
    ) == [[0, [40, 20]]]


def test_the_mix_of_a_recipe():
    data = DataConfig.model_validate(
        {
            "src_lang": "de",
            "tgt_lang": "en",
            "train": [
                {"name": "true", "src": "/t.de", "tgt": "/t.en", "weight": 2},
                {"name": "bt", "src": "/b.de", "tgt": "/b.en", "tags": ["<bt>"]},
                {"src": "/news.de", "tgt": "/news.en"},
            ],
            "temperature": 2,
            "stages": [
                {"until_epoch": 2, "weights": {"bt": 0}},
                {"until_epoch": 5, "temperature": 1},
                {"weights": {"true": 1, "bt": 0.5, "news": 0}, "temperature": 1},
            ],
        },
        context={"base_dir": "/"},
    )
    mix = DataMixture.for_config(data, corpora(100, 50, 8), 1)
    assert [mix.stage(epoch) for epoch in (0, 1, 2, 4, 5, 99)] == [0, 0, 1, 1, 2, 2]
    assert mix.counts(1) == [
        round(208 * 200**0.5 / (200**0.5 + 8**0.5)),
        0,
        round(208 * 8**0.5 / (200**0.5 + 8**0.5)),
    ]
    assert mix.counts(4) == [200, 50, 8]
    assert mix.counts(5) == [100, 25, 0]
    assert list(mix.describe(5)) == [
        "stage 3 of 3, from epoch 6 on: 125 pairs per epoch",
        "  true: 100 (80.0 %), each of its 100 pairs once",
        "  bt: 25 (20.0 %), each of its 50 pairs 0.5 times",
        "  news: 0 (0.0 %), each of its 8 pairs 0 times",
    ]
    assert (
        mix.summary(2)
        == "stage 2 of 3, epochs 3 to 5: 258 pairs per epoch, true 77.5 %, bt 19.4 %, news 3.1 %"
    )
    with pytest.raises(MtkitError, match="has 1 corpora, but"):
        DataMixture.for_config(data, corpora(158), 1)


def test_tags_are_those_of_the_corpus():
    first, second = corpora(3, 4)
    mix = DataMixture.plain([first, second._replace(n_tags=2)], 1)
    assert mix.n_tags(np.array([0, 2, 3, 6])).tolist() == [0, 0, 2, 2]


def test_a_mix_that_shows_nothing_is_refused():
    with pytest.raises(MtkitError, match="no sentence pairs"):
        DataMixture.plain(corpora(0, 0), 1)
    with pytest.raises(MtkitError, match=r"stage 2 of data\.stages contains no pairs"):
        DataMixture(corpora(0, 5), [MixtureStage(0, [1.0, 1.0]), MixtureStage(1, [1.0, 0.0])], 1)


@given(
    n_rows=st.integers(1, 60),
    chunk=st.integers(1, 20),
    cuts=st.lists(st.integers(0, 300), min_size=2, max_size=6),
    seed=st.integers(0, 5),
)
@settings(max_examples=100)
def test_slices_of_a_stream_concatenate_to_the_whole(n_rows, chunk, cuts, seed):
    cuts = sorted(cuts)
    passes = ShuffledStream(n_rows, seed, 0, chunk)
    whole = passes.rows(cuts[0], cuts[-1]).tolist()
    assert len(whole) == cuts[-1] - cuts[0]
    assert sorted(np.concatenate([passes.rows(*pair) for pair in pairwise(cuts)]).tolist()) == whole
    times = np.bincount(whole, minlength=n_rows)
    share = Fraction(len(whole), n_rows)
    # A stretch that begins within a pass may see a row at its beginning and at its end.
    assert share - 2 < times.min() <= times.max() < share + 2


def test_passes_differ_by_number_corpus_and_seed():
    def first_half(passes, number):
        return tuple(passes.rows(100 * number, 100 * number + 50).tolist())

    halves = {
        first_half(ShuffledStream(100, seed, corpus), number)
        for seed in (1, 2)
        for corpus in (0, 1)
        for number in (0, 1)
    }
    assert len(halves) == 8


def test_chunks_of_a_large_corpus_stay_together():
    rows = ShuffledStream(1_000, 1, 0, chunk=10).rows(0, 300)
    starts = rows[::10]
    assert (rows.reshape(-1, 10) == starts[:, None] + np.arange(10)).all()
    assert (starts % 10 == 0).all()
    assert starts.max() > 700


def test_window_of_a_hundred_million_pairs_uses_little_memory():
    mix = DataMixture.plain(corpora(100_000_000), 1)
    tracemalloc.start()
    try:
        for window in (0, 50, mix.n_windows(0) - 1):
            assert len(mix.rows(0, window)) <= 2**20
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()

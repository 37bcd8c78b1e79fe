"""Samples against the table's probabilities, and alone against in a batch."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.search import SearchConfig
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.counter_rng import UniformStreams
from mtkit.search.greedy import greedy_search
from mtkit.search.sampling import draw, sample
from tests.search.constraints.spellings import phrase_of
from tests.search.table import EOS, FullTable, TableScorer, full_tables

V = 6
few = settings(max_examples=20, deadline=None)


def config(n=1, max_length=4, **others):
    lengths = {"max_length_ratio": 0.001, "max_length_extra": max_length - 1, "min_length": 0}
    return SearchConfig.model_validate({"sampling": True, "n_best": n} | lengths | others)


def expected_step(log_probs, temperature=1.0, top_k=0, top_p=1.0, epsilon=0.0):
    """The distribution of a step by its definition, token by token."""
    kept = {token: log_prob for token, log_prob in enumerate(log_probs) if log_prob > -math.inf}
    ranked = sorted(kept, key=lambda token: -kept[token])
    ranked = ranked[: top_k or len(ranked)]
    ranked = [token for i, token in enumerate(ranked) if i == 0 or math.exp(kept[token]) >= epsilon]
    weights = {token: math.exp(kept[token] / temperature) for token in ranked}
    total, mass, chosen = sum(weights.values()), 0.0, []
    for token in ranked:
        if mass / total >= top_p:
            break
        chosen.append(token)
        mass += weights[token]
    return {token: weights[token] / mass for token in chosen}


def expected_sequences(table, max_length, **how):
    """The probability of every translation; at the maximum length EOS is forced."""
    found = {}
    for length in range(1, max_length + 1):
        for tokens in itertools.product(range(2, V), repeat=length - 1):
            whole = tokens if length == max_length else (*tokens, EOS)
            found[tokens] = math.prod(
                expected_step(table[whole[:i]], **how).get(token, 0.0)
                for i, token in enumerate(whole)
            )
    assert sum(found.values()) == pytest.approx(1.0)
    return found


def chi_square_p_value(observed, expected):
    """Pearson's test; outcomes expected fewer than five times count together."""
    n = sum(observed.values())
    common = {key: p for key, p in expected.items() if n * p >= 5}
    pairs = [(observed[key], n * p) for key, p in common.items()]
    rest_observed, rest_expected = n - sum(o for o, _ in pairs), n - sum(e for _, e in pairs)
    pairs += [(rest_observed, rest_expected)] if rest_expected >= 1 else []
    statistic = sum((o - e) ** 2 / e for o, e in pairs)
    return (
        1.0
        if len(pairs) < 2
        else float(
            torch.special.gammaincc(torch.tensor((len(pairs) - 1) / 2), torch.tensor(statistic / 2))
        )
    )


WAYS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 2},
    {"top_p": 0.7},
    {"epsilon": 0.2},
    {"temperature": 1.5, "top_k": 4, "top_p": 0.8},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_translations_are_drawn_as_often_as_they_are_probable(how):
    table = FullTable(5, V)
    [drawn] = sample(TableScorer([table]), [[0]], config(4000, 3, seed=1, **how))
    observed = Counter(tuple(h.token_ids) for h in drawn)
    expected = expected_sequences(table, 3, **how)
    assert all(expected[tokens] > 0 for tokens in observed)
    # The seed fixes the draws; a correct sampler would fail with one seed in a thousand.
    assert chi_square_p_value(observed, expected) > 0.001
    assert chi_square_p_value(observed, expected_sequences(FullTable(6, V), 3)) < 1e-9
    for h in drawn[:50]:
        whole = (*h.token_ids, EOS)
        assert h.log_prob == pytest.approx(
            sum(table[whole[:i]][token] for i, token in enumerate(whole))
        )


@few
@given(
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=6),
    how=st.sampled_from(WAYS),
    n=st.integers(1, 4),
    data=st.data(),
)
def test_a_sample_does_not_depend_on_other_sentences(seeds, how, n, data):
    tables = [FullTable(seed, V) for seed in seeds]
    sources = [[i, 7, i] for i in range(len(tables))]
    settings = config(n, 7, **how)
    together = sample(TableScorer(tables), sources, settings)
    order = data.draw(st.permutations(range(len(tables))))
    shuffled = sample(TableScorer(tables), [sources[i] for i in order], settings)
    assert [shuffled[order.index(i)] for i in range(len(tables))] == together
    alone = [sample(TableScorer(tables), [source], settings)[0] for source in sources]
    assert alone == together
    more = sample(TableScorer(tables), sources, config(n + 2, 7, **how))
    assert [found[:n] for found in more] == together


def test_samples_depend_on_seed_source_and_number():
    tables = [FullTable(5, V)] * 2
    scorer = TableScorer(tables)
    one, other_source = sample(scorer, [[0], [1]], config(50, 9))
    [other_seed] = sample(scorer, [[0]], config(50, 9, seed=1))
    assert one != other_source
    assert one != other_seed
    assert len({tuple(h.token_ids) for h in one}) > 20
    assert (
        sample(scorer, [[0], [0]], config(5, 9))[0] == sample(scorer, [[0], [0]], config(5, 9))[1]
    )


@few
@given(table=full_tables(V), max_length=st.integers(1, 9))
def test_the_best_of_one_is_greedy_search(table, max_length):
    [[drawn]] = sample(TableScorer([table]), [[0]], config(1, max_length, top_k=1))
    [greedy] = greedy_search(TableScorer([table]), [[0]], config(1, max_length))
    assert drawn.token_ids == greedy.token_ids
    assert drawn.log_prob == pytest.approx(greedy.log_prob)


@few
@given(
    table=full_tables(V),
    how=st.sampled_from(WAYS),
    prefix=st.lists(st.integers(2, V - 1), max_size=3),
    min_length=st.integers(0, 4),
)
def test_rules_apply_to_samples(table, how, prefix, min_length):
    constraints = [Constraints(prefix_ids=tuple(prefix), negative=(phrase_of([3, 4]),))]
    settings = config(8, 9, min_length=min_length, no_repeat_ngram_size=3, **how)
    for h in sample(TableScorer([table]), [[0]], settings, constraints)[0]:
        assert h.token_ids[: len(prefix)] == prefix
        assert len(h.token_ids) >= min_length
        beyond = h.token_ids[max(len(prefix) - 1, 0) :]
        assert not any(pair == (3, 4) for pair in itertools.pairwise(beyond)) or prefix[-2:] == [
            3,
            4,
        ]


def test_uniform_streams_are_uniform():
    streams = UniformStreams(3, [(number, [5, 6]) for number in range(200)])
    numbers = torch.cat([streams.at(range(200), step) for step in range(1, 101)])
    assert 0.0 <= float(numbers.min()) < float(numbers.max()) < 1.0
    counts = torch.histc(numbers.float(), 50, 0.0, 1.0)
    assert (
        chi_square_p_value(
            Counter(dict(enumerate(counts.long().tolist()))), dict.fromkeys(range(50), 0.02)
        )
        > 0.001
    )
    # One stream is no shifted copy of another, nor of itself.
    assert len(set(numbers.tolist())) == len(numbers)


def test_draw_at_the_boundaries():
    weights = torch.tensor([[-math.inf, 0.5, -math.inf, 0.5, -math.inf]], dtype=torch.float64).log()
    weights = torch.where(weights.isnan(), -math.inf, weights)
    for uniform, place in (0.0, 1), (0.4999, 1), (0.5, 3), (1 - 2**-53, 3):
        assert draw(weights, torch.tensor([uniform], dtype=torch.float64)).tolist() == [[place]]

"""Rules against enumeration: a beam of full width finds the best of all allowed sequences."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from mtkit.search.greedy import greedy_search
from tests.search.constraints.spellings import phrase_of
from tests.search.enumerating import enumerate_best, holds, repeats
from tests.search.table import EOS, FullTable, TableScorer, full_tables

VOCAB_SIZE = 5
MAX_LENGTH = 5
FULL = 3**MAX_LENGTH
few = settings(max_examples=25, deadline=None)
tokens = st.integers(2, VOCAB_SIZE - 1)


def config(beam_size=FULL, max_length=MAX_LENGTH, n_best=3, **others):
    settings = {
        "max_length_ratio": 0.001,
        "max_length_extra": max_length - 1,
        "min_length": 0,
        "length_penalty": "wu",
        "alpha": 0.6,
    }
    return SearchConfig.model_validate(
        {"beam_size": beam_size, "n_best": n_best} | settings | others
    )


def assert_same(found, expected):
    assert [h.token_ids for h in found] == [h.token_ids for h in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob)
        assert ours.score == pytest.approx(theirs.score)


@few
@given(table=full_tables(VOCAB_SIZE), n=st.integers(1, 3), min_length=st.integers(0, 3))
def test_no_ngram_is_repeated(table, n, min_length):
    settings = config(no_repeat_ngram_size=n, min_length=min_length)
    [found] = beam_search(TableScorer([table]), [[0]], settings)
    expected = enumerate_best(
        table, VOCAB_SIZE, MAX_LENGTH, settings, lambda tokens: not repeats(tokens, n), min_length
    )
    assert_same(found, expected[:3])


@few
@given(table=full_tables(6), n=st.integers(1, 4), beam_size=st.integers(1, 5))
def test_no_ngram_is_repeated_with_a_narrow_beam_or_greedily(table, n, beam_size):
    settings = config(beam_size, 30, beam_size, no_repeat_ngram_size=n)
    [found] = beam_search(TableScorer([table]), [[0]], settings)
    [greedy] = greedy_search(TableScorer([table]), [[0]], settings)
    assert not any(repeats(h.token_ids, n) for h in [*found, greedy])


def test_a_loop_is_broken():
    class Loop(dict):
        def __missing__(self, prefix):
            return [-math.inf, -9.0, -0.1, -3.0, -3.5]

    found = greedy_search(TableScorer([Loop()]), [[0]], config(1, 9, 1, no_repeat_ngram_size=2))[
        0
    ].token_ids
    # By hand: 2 2, then 3 because 2 2 has occurred, and so on.
    assert found == [2, 2, 3, 2, 4, 2]


def test_a_translation_ends_early_if_nothing_may_follow():
    settings = config(2, 20, 1, no_repeat_ngram_size=1, min_length=10)
    [found] = beam_search(TableScorer([FullTable(3, VOCAB_SIZE)]), [[0]], settings)
    assert sorted(found[0].token_ids) == [2, 3, 4]


@few
@given(table=full_tables(VOCAB_SIZE), penalty=st.sampled_from([1.0, 1.3, 4.0]))
def test_the_repetition_penalty_equals_its_formula(table, penalty):
    class Penalized(dict):
        def __missing__(self, prefix):
            old = torch.tensor(table[prefix], dtype=torch.float64)
            seen = torch.tensor([token in prefix for token in range(VOCAB_SIZE)])
            self[prefix] = torch.where(seen, old * penalty, old).log_softmax(0).tolist()
            return self[prefix]

    [found] = beam_search(TableScorer([table]), [[0]], config(repetition_penalty=penalty))
    assert_same(found, beam_search(TableScorer([Penalized()]), [[0]], config())[0])


@few
@given(
    table=full_tables(VOCAB_SIZE),
    prefix=st.lists(tokens, max_size=4),
    min_length=st.integers(0, 3),
    n=st.integers(0, 2),
)
def test_a_forced_prefix_is_continued_by_the_best_tokens(table, prefix, min_length, n):
    settings = config(min_length=min_length, no_repeat_ngram_size=n)
    [found] = beam_search(
        TableScorer([table]), [[0]], settings, [Constraints(prefix_ids=tuple(prefix))]
    )

    def is_allowed(tokens):
        begins = list(tokens[: len(prefix)]) == prefix
        # The prefix may repeat what it likes.
        own_runs = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        return begins and not (
            n and any(run in own_runs[:i] for i, run in enumerate(own_runs) if i + n > len(prefix))
        )

    assert_same(
        found, enumerate_best(table, VOCAB_SIZE, MAX_LENGTH, settings, is_allowed, min_length)[:3]
    )


@few
@given(table=full_tables(VOCAB_SIZE), prefix=st.lists(tokens, max_size=7))
def test_a_beam_of_one_is_greedy_search_with_a_prefix_too(table, prefix):
    constraints = [Constraints(prefix_ids=tuple(prefix))]
    [greedy] = greedy_search(TableScorer([table]), [[0]], config(1, n_best=1), constraints)
    [[beam]] = beam_search(TableScorer([table]), [[0]], config(1, n_best=1), constraints)
    assert beam.token_ids == greedy.token_ids
    # A prefix longer than the maximum length stays whole.
    assert greedy.token_ids[: len(prefix)] == prefix


@few
@given(
    table=full_tables(VOCAB_SIZE),
    prefix=st.lists(tokens, min_size=1, max_size=2),
    min_length=st.integers(0, 2),
)
def test_hidden_tokens_do_not_count(table, prefix, min_length):
    n_hidden = len(prefix)
    settings = config(max_length=MAX_LENGTH - n_hidden, min_length=min_length)
    [found] = beam_search(
        TableScorer([table]),
        [[0]],
        settings,
        [Constraints(prefix_ids=tuple(prefix), n_hidden=n_hidden)],
    )
    # Their probabilities do not count either.
    log_probs = {
        history: table[history] if len(history) >= n_hidden else [0.0] * VOCAB_SIZE
        for length in range(MAX_LENGTH)
        for history in itertools.product(range(2, VOCAB_SIZE), repeat=length)
    }
    expected = enumerate_best(
        log_probs,
        VOCAB_SIZE,
        MAX_LENGTH,
        settings,
        lambda tokens: list(tokens[:n_hidden]) == prefix,
        min_length + n_hidden,
    )
    assert_same(found, expected[:3])


phrases = st.lists(tokens, min_size=1, max_size=2)


@few
@given(table=full_tables(VOCAB_SIZE), must_not=st.lists(phrases, min_size=1, max_size=2))
def test_forbidden_phrases_do_not_appear(table, must_not):
    settings = config()
    constraints = [Constraints(negative=tuple(phrase_of(phrase) for phrase in must_not))]
    [found] = beam_search(TableScorer([table]), [[0]], settings, constraints)
    expected = enumerate_best(
        table,
        VOCAB_SIZE,
        MAX_LENGTH,
        settings,
        lambda tokens: not any(holds(tokens, phrase) for phrase in must_not),
    )
    assert_same(found, expected[:3])
    [greedy] = greedy_search(TableScorer([table]), [[0]], settings, constraints)
    assert not any(holds(greedy.token_ids, phrase) for phrase in must_not)


def test_an_absolute_maximum_length():
    class NeverEnds(dict):
        def __missing__(self, prefix):
            return [-math.inf, -50.0, -1.0, -1.1, -1.2]

    settings = SearchConfig(beam_size=2, max_length=7, length_penalty="none")
    found = beam_search(TableScorer([NeverEnds()]), [[0] * 2, [0] * 10], settings)
    assert [len(hypotheses[0].token_ids) for hypotheses in found] == [7, 7]


@few
@given(
    seeds=st.lists(st.integers(0, 999), min_size=2, max_size=5),
    beam_size=st.integers(1, 4),
    data=st.data(),
)
def test_a_constrained_sentence_alone_equals_it_in_a_batch(seeds, beam_size, data):
    tables = [FullTable(seed, 6) for seed in seeds]
    settings = config(beam_size, 9, beam_size, no_repeat_ngram_size=2)
    sources = [[i] for i in range(len(tables))]
    piece = st.integers(2, 5)
    phrase = st.lists(piece, min_size=1, max_size=2).map(phrase_of)
    one = st.builds(
        Constraints,
        prefix_ids=st.lists(piece, max_size=3).map(tuple),
        negative=st.lists(phrase, max_size=1).map(tuple),
        positive=st.lists(phrase, max_size=1).map(tuple),
    )
    constraints = data.draw(st.lists(one, min_size=len(seeds), max_size=len(seeds)))

    def search(chosen):
        try:
            return beam_search(
                TableScorer(tables),
                [sources[i] for i in chosen],
                settings,
                [constraints[i] for i in chosen],
            )
        except MtkitError:
            return None

    alone = {i: found[0] for i in range(len(seeds)) if (found := search([i])) is not None}
    if alone:
        assert search(list(alone)) == list(alone.values())


def test_prefix_longer_than_the_scorers_limit():
    scorer = TableScorer([FullTable(1, VOCAB_SIZE)])
    scorer.max_length = 4
    assert beam_search(scorer, [[0]], config(2, 9, 1), [Constraints(prefix_ids=(2, 3, 4))])[0][
        0
    ].token_ids == [2, 3, 4]
    with pytest.raises(MtkitError, match="need 4 tokens, but the model can write at most 3"):
        beam_search(scorer, [[0]], config(2, 9, 1), [Constraints(prefix_ids=(2, 3, 4, 2))])


def test_constraints_that_exclude_each_other_are_an_error():
    constraints = [Constraints(positive=(phrase_of([2]),), negative=(phrase_of([2]),))]
    with pytest.raises(MtkitError, match="cannot be satisfied"):
        beam_search(TableScorer([FullTable(1, VOCAB_SIZE)]), [[0]], config(2, 4, 1), constraints)
    assert EOS == 1

"""Search against enumeration: on tables small enough, the best of all sequences is known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.search import SearchConfig
from mtkit.search.beam import beam_search
from mtkit.search.greedy import greedy_search
from mtkit.search.hypothesis import mean_length_penalty, wu_length_penalty
from tests.search.table import EOS, FullTable, TableScorer, all_hypotheses, full_tables

VOCAB_SIZE = 4
PENALTIES = st.sampled_from([("none", 0.0), ("wu", 0.6), ("wu", 1.0), ("wu", 2.0), ("mean", 1.0)])


def config(beam_size, max_length, penalty=("none", 0.0), n_best=1, min_length=0):
    # All sources have one token, so that the maximum length is the same for all.
    kind, alpha = penalty
    lengths = {
        "max_length_ratio": 0.001,
        "max_length_extra": max_length - 1,
        "min_length": min_length,
    }
    return SearchConfig(
        beam_size=beam_size, n_best=n_best, length_penalty=kind, alpha=alpha, **lengths
    )


@settings(max_examples=30, deadline=None)
@given(
    table=full_tables(VOCAB_SIZE),
    max_length=st.integers(1, 4),
    penalty=PENALTIES,
    min_length=st.integers(0, 2),
)
def test_a_beam_of_full_width_finds_the_best_of_all_sequences(
    table, max_length, penalty, min_length
):
    min_length = min(min_length, max_length - 1)
    settings = config(3**max_length, max_length, penalty, n_best=3, min_length=min_length)
    [found] = beam_search(TableScorer([table]), [[0]], settings)
    expected = all_hypotheses(table, VOCAB_SIZE, max_length, settings)[:3]
    assert [h.token_ids for h in found] == [h.token_ids for h in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob)
        assert ours.score == pytest.approx(theirs.score)


@settings(max_examples=30, deadline=None)
@given(table=full_tables(6), max_length=st.integers(1, 12), penalty=PENALTIES)
def test_a_beam_of_one_is_greedy_search(table, max_length, penalty):
    settings = config(1, max_length, penalty)
    [[beam]] = beam_search(TableScorer([table]), [[0]], settings)
    [greedy] = greedy_search(TableScorer([table]), [[0]], settings)
    assert beam.token_ids == greedy.token_ids
    assert beam.score == pytest.approx(greedy.score)


@settings(max_examples=20, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 999), min_size=1, max_size=5),
    beam_size=st.integers(1, 4),
    penalty=PENALTIES,
)
def test_a_sentence_alone_equals_it_in_a_batch(seeds, beam_size, penalty):
    tables = [FullTable(seed, 6) for seed in seeds]
    settings = config(beam_size, 9, penalty, n_best=beam_size)
    sources = [[i] for i in range(len(tables))]
    together = beam_search(TableScorer(tables), sources, settings)
    alone = [beam_search(TableScorer(tables), [source], settings)[0] for source in sources]
    assert together == alone
    assert greedy_search(TableScorer(tables), sources, settings) == [
        greedy_search(TableScorer(tables), [s], settings)[0] for s in sources
    ]


@settings(max_examples=20, deadline=None)
@given(
    table=full_tables(5),
    beam_size=st.integers(1, 5),
    max_length=st.integers(1, 6),
    penalty=PENALTIES,
)
def test_scores_are_those_of_the_sequences_in_descending_order(
    table, beam_size, max_length, penalty
):
    settings = config(beam_size, max_length, penalty, n_best=beam_size)
    [found] = beam_search(TableScorer([table]), [[0]], settings)
    known = {tuple(h.token_ids): h for h in all_hypotheses(table, 5, max_length, settings)}
    assert 1 <= len(found) <= beam_size
    assert len({tuple(h.token_ids) for h in found}) == len(found)
    for h in found:
        assert h.log_prob == pytest.approx(known[tuple(h.token_ids)].log_prob)
        assert h.score == pytest.approx(known[tuple(h.token_ids)].score)
        assert EOS not in h.token_ids
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


class NeverEnds(dict):
    """EOS is possible, but always less probable than a beam of two can see."""

    def __missing__(self, prefix):
        return [-math.inf, -50.0, -1.0, -1.1, -1.2]


def test_the_maximum_length_follows_the_source():
    settings = SearchConfig(
        beam_size=2, max_length_ratio=1.5, max_length_extra=1, length_penalty="none"
    )
    sources = [[0] * 2, [0] * 10]
    found = beam_search(TableScorer([NeverEnds()]), sources, settings)
    assert [len(hypotheses[0].token_ids) for hypotheses in found] == [1.5 * 2 + 1, 1.5 * 10 + 1]
    assert [
        len(h.token_ids) for h in greedy_search(TableScorer([NeverEnds()]), sources, settings)
    ] == [4, 16]


def test_no_sources():
    assert beam_search(TableScorer([]), [], SearchConfig()) == []
    assert greedy_search(TableScorer([]), [], SearchConfig()) == []


def test_length_penalties_equal_their_formulas():
    assert wu_length_penalty(1, 0.6) == 1.0
    assert wu_length_penalty(7, 1.0) == 2.0
    assert wu_length_penalty(19, 0.5) == 2.0
    assert mean_length_penalty(7, 1.0) == 7.0
    assert mean_length_penalty(7, 0.0) == 1.0
    for penalty in (wu_length_penalty, mean_length_penalty):
        with pytest.raises(ValueError, match="negative"):
            penalty(3, -0.1)

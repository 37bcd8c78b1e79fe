"""Required phrases: the best of all sequences that contain them, and never one without."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtkit.engines.free_first import search_free_first
from mtkit.engines.protocol import SearchRequest
from mtkit.search.beam import beam_search
from mtkit.search.constraints.constraints import Constraints
from tests.search.constraints.spellings import phrase_of
from tests.search.enumerating import enumerate_best, holds
from tests.search.table import EOS, FullTable, TableScorer, full_tables
from tests.search.test_logits_rules import FULL, MAX_LENGTH, assert_same, config

VOCAB_SIZE = 5
few = settings(max_examples=25, deadline=None)
# No token is in two phrases, so that phrases cannot overlap.
must_lists = st.sampled_from(
    [
        [[[2]]],
        [[[2, 3]]],
        [[[2, 2]]],
        [[[2], [3, 4]]],
        [[[2]], [[3]]],
        [[[4, 2]], [[3]]],
        [[[2]], [[3]], [[4]]],
        [[[2, 3, 2]]],
    ]
)


def constraints_of(musts, **others):
    return Constraints(positive=tuple(phrase_of(*forms) for forms in musts), **others)


def holds_all(tokens, musts):
    return all(any(holds(tokens, form) for form in forms) for forms in musts)


@few
@given(table=full_tables(VOCAB_SIZE), musts=must_lists, min_length=st.integers(0, 3))
def test_a_beam_of_full_width_finds_the_best_with_all_phrases(table, musts, min_length):
    settings = config(beam_size=FULL, min_length=min_length)
    [found] = beam_search(TableScorer([table]), [[0]], settings, [constraints_of(musts)])
    expected = enumerate_best(
        table, VOCAB_SIZE, MAX_LENGTH, settings, lambda tokens: holds_all(tokens, musts), min_length
    )
    assert_same(found, expected[:3])


@few
@given(
    table=full_tables(VOCAB_SIZE),
    musts=must_lists,
    prefix=st.lists(st.integers(2, 4), max_size=1),
    banned=st.integers(2, 4),
)
def test_with_a_prefix_and_a_phrase_that_must_not_appear(table, musts, prefix, banned):
    settings = config(beam_size=FULL)
    must_not = [banned, banned]
    constraints = constraints_of(musts, prefix_ids=tuple(prefix), negative=(phrase_of(must_not),))

    def is_allowed(tokens):
        return (
            holds_all(tokens, musts)
            and list(tokens[: len(prefix)]) == prefix
            and not holds(tokens, must_not)
        )

    expected = enumerate_best(table, VOCAB_SIZE, MAX_LENGTH, settings, is_allowed)[:3]
    if expected:
        assert_same(beam_search(TableScorer([table]), [[0]], settings, [constraints])[0], expected)


@few
@given(
    table=full_tables(9),
    musts=must_lists,
    beam_size=st.integers(1, 6),
    max_length=st.integers(1, 12),
)
def test_phrases_appear_with_any_beam_size_and_maximum_length(table, musts, beam_size, max_length):
    [found] = beam_search(
        TableScorer([table]),
        [[0]],
        config(beam_size, max_length, beam_size),
        [constraints_of(musts)],
    )
    assert found
    needed = sum(min(map(len, forms)) for forms in musts)
    for h in found:
        assert holds_all(h.token_ids, musts)
        assert len(h.token_ids) <= max(max_length - 1, needed)
        assert h.log_prob == pytest.approx(
            sum(table[tuple(h.token_ids[:i])][token] for i, token in enumerate([*h.token_ids, 1]))
        )


@few
@given(seed=st.integers(0, 999), beam_size=st.integers(1, 5))
def test_a_sentence_without_phrases_is_unaffected_by_one_with_phrases(seed, beam_size):
    tables = [FullTable(seed, 6), FullTable(seed + 1, 6)]
    settings = config(beam_size, 8, beam_size)
    together = beam_search(
        TableScorer(tables), [[0], [1]], settings, [Constraints(), constraints_of([[[2, 3]]])]
    )
    assert_same(together[0], beam_search(TableScorer(tables), [[0]], settings)[0])


@few
@given(table=full_tables(VOCAB_SIZE), beam_size=st.integers(1, 6), data=st.data())
def test_free_result_that_contains_its_phrases_is_returned_unchanged(table, beam_size, data):
    settings = config(beam_size, 7, 1)
    [[free]] = beam_search(TableScorer([table]), [[0]], settings)
    assume(free.token_ids)
    begin = data.draw(st.integers(0, len(free.token_ids) - 1))
    musts = [[free.token_ids[begin : begin + 2]]]
    [constrained] = search_free_first(
        search_table(table), SearchRequest([[0]], settings, [constraints_of(musts)])
    )
    assert constrained == [free]


@few
@given(
    table=full_tables(VOCAB_SIZE),
    musts=must_lists,
    beam_size=st.integers(1, 6),
    n_best=st.integers(1, 3),
)
def test_constrained_result_scores_at_least_as_high_as_free_results(
    table, musts, beam_size, n_best
):
    settings = config(max(beam_size, n_best), 8, n_best)
    [free] = beam_search(TableScorer([table]), [[0]], settings)
    done: list[int] = []
    [found] = search_free_first(
        search_table(table), SearchRequest([[0]], settings, [constraints_of(musts)], done.extend)
    )
    meeting = [h for h in free if holds_all(h.token_ids, musts)]
    assert all(holds_all(h.token_ids, musts) for h in found)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert len({tuple(h.token_ids) for h in found}) == len(found) <= n_best
    for ours, theirs in zip(found, meeting, strict=False):
        assert ours.score >= theirs.score
    assert done == [0]


def test_late_hypotheses_are_not_pruned_by_early_endings():
    # `2` may be written at once, at a cost, or where it belongs: as the last piece.
    likely = [3, 4, 3, 4, 2, EOS]

    class Table(dict):
        def __missing__(self, prefix):
            wanted = likely[min(len(prefix), 5)] if list(prefix) == likely[: len(prefix)] else EOS
            return [
                math.log(0.9) if token == wanted else math.log(0.1 / 4) if token else -math.inf
                for token in range(6)
            ]

    for beam_size in (2, 3, 5):
        [found] = beam_search(
            TableScorer([Table()]), [[0]], config(beam_size, 9, 1), [constraints_of([[[2]]])]
        )
        assert found[0].token_ids == likely[:-1]


def test_each_source_is_reported_once():
    tables = [FullTable(seed, VOCAB_SIZE) for seed in range(6)]
    settings = config(2, 6, 1)
    constraints = [constraints_of([[[2, 3]]]) if i % 2 else Constraints() for i in range(6)]
    done: list[int] = []

    def search(request):
        found = beam_search(
            TableScorer(tables), request.sources, request.config, request.constraints
        )
        request.on_batch(list(range(len(request.sources))))
        return found

    found = search_free_first(
        search, SearchRequest([[i] for i in range(6)], settings, constraints, done.extend)
    )
    assert sorted(done) == list(range(6))
    for i in (0, 2, 4):
        assert_same(found[i], beam_search(TableScorer(tables), [[i]], settings)[0])


def search_table(table):
    def search(request):
        request.on_batch(list(range(len(request.sources))))
        return beam_search(
            TableScorer([table]), request.sources, request.config, request.constraints
        )

    return search


def test_a_phrase_may_repeat_an_ngram():
    constraints = constraints_of([[[2, 2, 2]]])
    [found] = beam_search(
        TableScorer([FullTable(4, VOCAB_SIZE)]),
        [[0]],
        config(4, 9, 1, no_repeat_ngram_size=1),
        [constraints],
    )
    assert holds(found[0].token_ids, [2, 2, 2])


def test_overlapping_phrases_share_tokens():
    table = FullTable(7, VOCAB_SIZE)
    [found] = beam_search(
        TableScorer([table]),
        [[0]],
        config(FULL, 7, length_penalty="none"),
        [constraints_of([[[2, 3]], [[3, 4]]])],
    )
    expected = enumerate_best(
        table,
        VOCAB_SIZE,
        7,
        config(FULL, 7, length_penalty="none"),
        lambda tokens: holds(tokens, [2, 3]) and holds(tokens, [3, 4]),
    )
    assert found[0] == expected[0]
    assert holds(found[0].token_ids, [2, 3, 4])

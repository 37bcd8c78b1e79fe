"""Phrases that must appear: the best of all sequences that hold them, and never one without."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.search.beam import beam_search
from mtkit.search.demands import Demands
from mtkit.search.phrases import Phrase
from tests.search.enumerating import enumerate_best, holds
from tests.search.table import FullTable, TableScorer, full_tables
from tests.search.test_rules import FULL, MAX_LENGTH, assert_same, config

VOCAB_SIZE = 5
few = settings(max_examples=25, deadline=None)
# Of pieces that no other phrase has, so that phrases cannot overlap.
must_lists = st.sampled_from(
    [[[[2]]], [[[2, 3]]], [[[2, 2]]], [[[2], [3, 4]]], [[[2]], [[3]]], [[[4, 2]], [[3]]], [[[2]], [[3]], [[4]]], [[[2, 3, 2]]]]
)


def demands_of(musts, **others):
    return Demands(must=tuple(Phrase.of_ids(forms) for forms in musts), **others)


def holds_all(tokens, musts):
    return all(any(holds(tokens, form) for form in forms) for forms in musts)


@few
@given(table=full_tables(VOCAB_SIZE), musts=must_lists, min_length=st.integers(0, 3))
def test_a_beam_of_full_width_finds_the_best_that_holds_them(table, musts, min_length):
    settings = config(beam_size=FULL, min_length=min_length)
    [found] = beam_search(TableScorer([table]), [[0]], settings, [demands_of(musts)])
    expected = enumerate_best(table, VOCAB_SIZE, MAX_LENGTH, settings, lambda tokens: holds_all(tokens, musts), min_length)
    assert_same(found, expected[:3])


@few
@given(table=full_tables(VOCAB_SIZE), musts=must_lists, prefix=st.lists(st.integers(2, 4), max_size=1), banned=st.integers(2, 4))
def test_with_a_prefix_and_a_phrase_that_must_not_appear(table, musts, prefix, banned):
    settings = config(beam_size=FULL)
    must_not = [banned, banned]
    demands = demands_of(musts, prefix_ids=tuple(prefix), must_not=(Phrase.of_ids([must_not]),))

    def is_allowed(tokens):
        return holds_all(tokens, musts) and list(tokens[: len(prefix)]) == prefix and not holds(tokens, must_not)

    expected = enumerate_best(table, VOCAB_SIZE, MAX_LENGTH, settings, is_allowed)[:3]
    if expected:
        assert_same(beam_search(TableScorer([table]), [[0]], settings, [demands])[0], expected)


@few
@given(table=full_tables(9), musts=must_lists, beam_size=st.integers(1, 6), max_length=st.integers(1, 12))
def test_however_narrow_the_beam_and_short_the_limit_they_are_there(table, musts, beam_size, max_length):
    [found] = beam_search(TableScorer([table]), [[0]], config(beam_size, max_length, beam_size), [demands_of(musts)])
    assert found
    needed = sum(min(map(len, forms)) for forms in musts)
    for h in found:
        assert holds_all(h.token_ids, musts)
        assert len(h.token_ids) <= max(max_length - 1, needed)
        assert h.log_prob == pytest.approx(sum(table[tuple(h.token_ids[:i])][token] for i, token in enumerate([*h.token_ids, 1])))


@few
@given(seed=st.integers(0, 999), beam_size=st.integers(1, 5))
def test_beside_a_sentence_with_phrases_one_without_gives_what_it_gives_alone(seed, beam_size):
    tables = [FullTable(seed, 6), FullTable(seed + 1, 6)]
    settings = config(beam_size, 8, beam_size)
    together = beam_search(TableScorer(tables), [[0], [1]], settings, [Demands(), demands_of([[[2, 3]]])])
    assert_same(together[0], beam_search(TableScorer(tables), [[0]], settings)[0])


def test_a_phrase_may_repeat_what_may_not_repeat_otherwise():
    demands = demands_of([[[2, 2, 2]]])
    [found] = beam_search(TableScorer([FullTable(4, VOCAB_SIZE)]), [[0]], config(4, 9, 1, no_repeat_ngram_size=1), [demands])
    assert holds(found[0].token_ids, [2, 2, 2])


def test_overlapping_phrases_share_their_pieces():
    table = FullTable(7, VOCAB_SIZE)
    [found] = beam_search(TableScorer([table]), [[0]], config(FULL, 7, length_penalty="none"), [demands_of([[[2, 3]], [[3, 4]]])])
    expected = enumerate_best(
        table, VOCAB_SIZE, 7, config(FULL, 7, length_penalty="none"), lambda tokens: holds(tokens, [2, 3]) and holds(tokens, [3, 4])
    )
    assert found[0] == expected[0]
    assert holds(found[0].token_ids, [2, 3, 4])

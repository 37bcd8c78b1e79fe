"""The parts by which slips are found."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.corpus.misalignment.cooccurrence import CooccurrenceTable
from mtkit.corpus.misalignment.viterbi import best_path, refine_changes
from mtkit.corpus.misalignment.word_hashes import concatenate_words, hash_words
from tests.strategies import nasty_text


def words_of(words, row):
    return set(words.hashes[words.rows == row].tolist())


@settings(deadline=None)
@given(st.lists(nasty_text, min_size=1, max_size=6))
def test_words_of_a_line_do_not_depend_on_its_position(lines):
    together = hash_words(lines)
    assert sorted(set(together.rows.tolist())) == list(range(len(lines)))
    for row, line in enumerate(lines):
        assert words_of(together, row) == words_of(hash_words([line]), 0)
    parts = concatenate_words([hash_words([line]) for line in lines])
    assert (
        parts.hashes.tolist() == together.hashes.tolist()
        and parts.rows.tolist() == together.rows.tolist()
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Der Hund, der bellt.", {"der", "hund", ",", "bellt", "."}),
        ("DER hund", {"der", "hund"}),
        ("Zeitungen", {"zeitu"}),
        ("도서관에서", {"도서"}),
        ("CNN은 1990년", {"cnn", "은", "1990", "년"}),
        ("３ km", {"3", "km"}),
        ("図書館", {"図書", "書館", "館"}),
    ],
)
def test_word_hashes_split_words(line, words):
    assert words_of(hash_words([line]), 0) == {
        hash_words([word]).hashes.tolist()[0] for word in words
    }


def test_hashes_are_the_same_on_every_machine():
    assert hash_words(["a", ""]).hashes.tolist() == [2077091330, 1]


def test_words_that_meet_are_associated_and_a_pair_does_not_prove_itself():
    src = ["rot", "rot", "rot", "blau", "blau", "einmal"] * 5
    tgt = ["red", "red", "red", "blue", "blue", "once"] * 5
    words = hash_words(src), hash_words(tgt)
    lexicon = CooccurrenceTable(*words)
    sides = (
        lexicon.select_words(words[0], is_tgt=False),
        lexicon.select_words(words[1], is_tgt=True),
    )
    rows = np.arange(len(src))
    lexicon.add_pairs(*sides, rows, rows)

    def association(i, j, n_counted):
        return lexicon.association(
            *sides, np.array([i]), np.array([j]), np.array([n_counted])
        ).item()

    # 15 of 30 lines each: expected together 7.5 times, met 15 times; from both sides, over the mean
    # of 1 and 1.
    assert association(0, 1, 0) == pytest.approx(2 * np.log((15 + 2) / (7.5 + 2)), abs=1e-4)
    assert association(0, 0, 1) == pytest.approx(2 * np.log((14 + 2) / (7.5 + 2)), abs=1e-4)
    assert association(0, 3, 0) == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-5, 5)] * 3), min_size=1, max_size=5),
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(0, 2)),
)
def test_the_best_path_is_the_best_of_all(blocks, price, end):
    evidence = np.repeat(np.array(blocks, dtype=np.float32), 4, axis=0)

    def worth(states):
        before = (1, *states)
        n_changes = sum(a != b for a, b in zip(before, states, strict=False))
        return (
            4 * sum(row[state] for row, state in zip(blocks, states, strict=True))
            - price * n_changes
        )

    path = best_path(evidence, [price] * 3, 1, end)
    ways = [states for states in product(range(3), repeat=len(blocks)) if end in (None, states[-1])]
    assert worth(tuple(path[::4].tolist())) == max(map(worth, ways))


def test_the_place_of_a_change_is_found_to_the_line():
    evidence = np.zeros((200, 2), dtype=np.float32)
    evidence[:117, 0] = 1
    evidence[120:, 1] = 1
    path = np.repeat([0, 1], [104, 96])
    assert refine_changes(evidence, path, 0, lambda a, b: 3) == [(120, 0, 1)]
    assert refine_changes(evidence, path, 0, lambda a, b: 0)[0][0] in range(117, 121)

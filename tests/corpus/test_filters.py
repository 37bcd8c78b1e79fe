import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.preprocess import PreprocessConfig
from mtkit.corpus.filters import REASONS, PairFilter
from tests.strategies import nasty_text


def dropped(pair_filter):
    return {reason: count for reason, count in pair_filter.dropped.items() if count}


@pytest.mark.parametrize("pair", [("", "a"), ("a", ""), (" \t", "a"), ("a", "\u3000"), ("", "")])
def test_a_blank_side_drops_the_pair(pair):
    pair_filter = PairFilter(PreprocessConfig())
    assert not pair_filter.keeps_text(*pair)
    assert dropped(pair_filter) == {"blank": 1}


def test_a_side_that_is_blank_to_the_tokenizer_is_blank():
    pair_filter = PairFilter(PreprocessConfig())
    assert not pair_filter.keeps_lengths(0, 3)
    assert dropped(pair_filter) == {"blank": 1}


def test_a_copy_is_dropped_and_a_second_translation_is_not():
    pair_filter = PairFilter(PreprocessConfig())
    pairs = [("a", "b"), ("a", "c"), ("b", "a"), ("a", "b"), (" a ", "b "), ("a b", ""), ("A", "b"), ("a", "b")]
    assert [pair_filter.keeps_text(*pair) for pair in pairs] == [True, True, True, False, False, False, True, False]
    assert dropped(pair_filter) == {"duplicate": 3, "blank": 1}


def test_copies_stay_when_the_recipe_says_so():
    pair_filter = PairFilter(PreprocessConfig(drop_duplicates=False))
    assert all(pair_filter.keeps_text("a", "b") for _ in range(3))


@given(pairs=st.lists(st.tuples(nasty_text, nasty_text), max_size=8))
def test_copies_are_found_as_a_list_would_find_them(pairs):
    pair_filter = PairFilter(PreprocessConfig())
    expected, seen = [], []
    for src, tgt in pairs * 2:
        stripped = (src.strip(), tgt.strip())
        expected.append(all(stripped) and stripped not in seen)
        seen.append(stripped)
    assert [pair_filter.keeps_text(*pair) for pair in pairs * 2] == expected


@pytest.mark.parametrize(
    ("n_src", "n_tgt", "reason"),
    [
        (20, 20, None),
        (21, 20, "too_long"),
        (1, 21, "too_long"),
        (9, 1, None),  # short sides pass whatever their ratio
        (10, 5, None),
        (10, 4, "ratio"),
        (7, 15, "ratio"),
        (1, 1, None),
    ],
)
def test_lengths(n_src, n_tgt, reason):
    pair_filter = PairFilter(PreprocessConfig(max_length=20, max_ratio=2.0))
    assert pair_filter.keeps_lengths(n_src, n_tgt) == (reason is None)
    assert dropped(pair_filter) == ({reason: 1} if reason else {})


def test_every_reason_can_be_told():
    assert list(PairFilter(PreprocessConfig()).dropped) == list(REASONS)

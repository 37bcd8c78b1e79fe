"""Words are those of str.split, wherever a stretch of the text begins and ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.translation.alignment import Units
from tests.strategies import nasty_text

text = st.one_of(nasty_text, st.text(alphabet="ab \t\u3000\u2028"))


def owners(text):
    """Of each character the number of the word that it is in, or None for white space."""
    found, number, was_space = [], -1, True
    for char in text:
        number += (not char.isspace()) and was_space
        was_space = char.isspace()
        found.append(None if was_space else number)
    return found


@given(text=text)
def test_words(text):
    units = Units(text, "de")
    assert units.n_units == len(text.split())
    assert [units.unit(number) for number in range(units.n_units)] == text.split()


@given(text=text, ends=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_a_stretch_covers_the_words_that_it_touches(text, ends):
    begin, end = sorted(min(place, len(text)) for place in ends)
    found = set(Units(text, "ko").covered(begin, end))
    touched = {owner for owner in owners(text)[begin:end] if owner is not None}
    following = [owner for owner in owners(text)[begin:] if owner is not None][:1]
    assert found == (touched or set(following))


@pytest.mark.parametrize("lang", ["ja", "zh", "th"])
def test_where_no_spaces_are_written_each_character_counts(lang):
    units = Units("我 们走。", lang)
    assert units.n_units == 4
    assert [units.unit(number) for number in range(4)] == list("我们走。")
    assert list(units.covered(1, 4)) == [1, 2]
    assert list(units.covered(1, 2)) == [1]
    assert list(units.covered(5, 5)) == []

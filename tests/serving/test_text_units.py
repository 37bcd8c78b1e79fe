"""Texts cut into units: nothing between them changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.serving.text_units import MAX_CHARS, TextUnits

SPACE = " \t\n\r\v\f\x1c\x85\u2028\u3000\u00a0"


@given(st.text(st.sampled_from(f"ab.{SPACE}"), max_size=60))
def test_all_but_the_units_is_kept(text):
    units = TextUnits.of(text, "en")
    assert units.join(units.texts, "en") == text
    upper = units.join([unit.upper() for unit in units.texts], "en")
    assert upper == text.upper()
    assert all(unit == unit.strip() and unit for unit in units.texts)


def test_lines_are_units():
    text = "one\n\n two. three \r\nfour"
    assert TextUnits.of(text, "en").texts == ["one", "two. three", "four"]


def test_long_lines_are_cut_between_sentences():
    sentence = "This is a sentence of some length. "
    text = sentence * 100
    units = TextUnits.of(text, "en")
    assert len(units.texts) == 4
    assert all(len(unit) <= MAX_CHARS and unit.endswith("length.") for unit in units.texts)
    assert units.join(units.texts, "en") == text


@pytest.mark.parametrize(("tgt_lang", "space"), [("en", " "), ("ja", "")])
def test_the_target_language_decides_about_spaces_within_a_line(tgt_lang, space):
    text = "これは文です。" * 200
    units = TextUnits.of(text, "ja")
    assert len(units.texts) == 2
    assert units.join(["one.", "two."], tgt_lang) == f"one.{space}two."


def test_a_sentence_without_end_is_one_unit():
    text = "x" * 5000
    assert TextUnits.of(text, "en").texts == [text]

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.checking.characters import CharClassCounter, char_class
from tests.strategies import nasty_text


@given(batches=st.lists(st.lists(nasty_text, max_size=6), max_size=3))
def test_kinds_are_counted_as_one_would_by_hand(batches):
    counter = CharClassCounter()
    for lines in batches:
        counts = {kind: list(numbers) for kind, numbers in counter.count(lines).items()}
        by_hand = {
            kind: [sum(char_class(char) == kind for char in line) for line in lines]
            for kind in {char_class(c) for line in lines for c in line}
        }
        by_hand.pop("other", None)
        assert counts == by_hand


def test_line_end_class_matches_str_splitlines():
    breaking = {chr(code) for code in range(0x110000) if len(f"a{chr(code)}b".splitlines()) == 2}
    assert {char for char in breaking if char_class(char) not in ("line_end", "cr")} == {"\n"}


@pytest.mark.parametrize(
    ("char", "kind"),
    [
        *(
            ("\0", "nul"),
            ("\r", "cr"),
            ("\t", "tab"),
            ("\x1f", "space"),
            ("\x01", "control"),
            ("\x7f", "control"),
            ("\x9f", "control"),
        ),
        *(
            ("\ufeff", "bom"),
            ("\ufffd", "replacement"),
            ("\xad", "invisible"),
            ("\u200b", "invisible"),
            ("\u202e", "invisible"),
        ),
        *(
            ("\ue000", "private_use"),
            ("\ud800", "other"),
            (" ", "space"),
            ("\u3000", "space"),
            ("\xa0", "space"),
        ),
        *(
            ("a", "latin"),
            ("한", "hangul"),
            ("\u200d", "other"),
            ("1", "other"),
            ("\n", "other"),
            ("\u0301", "other"),
            ("😀", "other"),
        ),
    ],
)
def test_kinds(char, kind):
    assert char_class(char) == kind


def test_every_control_character_is_in_some_class():
    assert all(
        char_class(chr(code)) != "other"
        for code in range(0x110000)
        if unicodedata.category(chr(code)) == "Cc" and code != 0x0A
    )

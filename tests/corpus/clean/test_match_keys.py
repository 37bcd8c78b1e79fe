import unicodedata

import pytest
from hypothesis import given

from mtkit.corpus.clean.match_keys import normalize_for_matching, pair_key
from tests.strategies import nasty_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello,  World!", "hello world"),
        (" I don't  know\t. ", "i dont know"),
        ("I don\u2019t know", "i dont know"),
        ("Straße", "strasse"),
        ("ﬁne １２", "fine 12"),
        ("\u1112\u1161\u11ab국어!", "한국어"),
        ("zero\u200bwidth so\u00adft", "zerowidth soft"),
        ("a\u2028b\r\nc\x85d", "a b c d"),
        ("हिन्दी", "हिन्दी"),  # vowel signs are no punctuation
        ("«¿Qué?» — 3 €", "qué 3"),
        ("...", ""),
        ("", ""),
    ],
)
def test_match_key_of_a_text(text, folded):
    assert normalize_for_matching(text) == folded


def test_folding_a_character_twice_is_folding_it_once():
    for code in range(0x20000):
        folded = normalize_for_matching(f"a{chr(code)}b {chr(code)}")
        assert normalize_for_matching(folded) == folded
        assert not any(unicodedata.category(char)[0] in "PSC" for char in folded)


@given(text=nasty_text)
def test_folding_is_idempotent_and_has_no_line_break(text):
    folded = normalize_for_matching(text)
    assert normalize_for_matching(folded) == folded
    assert folded.splitlines() in ([], [folded])


def test_exact_keys_overlook_spaces_at_the_ends_and_nothing_else():
    key = pair_key("Hallo.", "Hello.", (), "exact")
    assert len(key) == 16
    assert key == pair_key(" Hallo. \n", "\u3000Hello.", (), "exact")
    assert key != pair_key("hallo.", "Hello.", (), "exact")
    assert key != pair_key("Hello.", "Hallo.", (), "exact")


def test_folded_keys_ignore_case_and_punctuation_but_are_never_empty():
    assert pair_key("Hallo.", "Hello.", (), "folded") == pair_key("HALLO", "hello!", (), "folded")
    assert pair_key("...", "!", (), "folded") != pair_key("?", "!", (), "folded")


def test_tags_belong_to_the_key():
    keys = {
        pair_key("Hallo.", "Hello.", tags, "exact")
        for tags in [(), ("<2en>",), ("<2nl>",), ("<2en>", "<bt>"), ("<2en><bt>",)]
    }
    assert len(keys) == 5


def test_where_one_side_ends_makes_a_difference():
    pairs = [("ab", "c"), ("a", "bc"), ("a b", "c"), ("a\nb", "c"), ("a", "b\nc")]
    assert len({pair_key(src, tgt, (), "exact") for src, tgt in pairs}) == 5
    assert len({pair_key(src, tgt, (), "folded") for src, tgt in pairs[:3]}) == 3

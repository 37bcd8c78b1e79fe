"""Masks and annotations in training pairs: what may be masked, and that nothing else changes."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.augment import MASKS
from mtkit.corpus.augment.masking import mask_pair
from mtkit.corpus.augment.term_annotation import annotate_pair
from mtkit.corpus.terms.lexicon import Lexicon, WordSplitter
from tests.strategies import nasty_text

SPLITTERS = WordSplitter("ko", ["민지가 민지는", "의사가 의사를"]), WordSplitter("en")
EMPTY = Lexicon({}, SPLITTERS)
KNOWN = Lexicon({"민지": {"minji": 0.9}, "의사": {"doctor": 0.8}}, SPLITTERS)


def masked(src, tgt, lexicon=EMPTY, seed=1):
    return mask_pair(src, tgt, lexicon, Random(seed))


def numbers(text):
    return re.sub(r"<ph\d>", "<ph>", text)


@pytest.mark.parametrize(
    ("src", "tgt", "expected"),
    [
        ("{n} Dateien", "{n} files", ("<ph> Dateien", "<ph> files")),
        ("Siehe https://a.de/b.", "See https://a.de/b.", ("Siehe <ph>.", "See <ph>.")),
        ("um 12:30 Uhr", "at 12:30", ("um <ph> Uhr", "at <ph>")),
        ("Frau Meier geht", "Ms Meier goes", ("Frau <ph> geht", "Ms <ph> goes")),
        ("er hat Hunger", "he hat", None),
        ("{n} und {n}", "{n}", None),
        ("12 Euro", "13 euros", None),
        ("<ph1> {n}", "<ph1> {n}", None),
    ],
)
def test_what_both_sides_have_once_is_masked(src, tgt, expected):
    found = masked(src, tgt)
    if expected is None:
        assert found == (src, tgt)
    else:
        assert (numbers(found[0]), numbers(found[1])) == expected


def test_aligned_names_are_masked_but_not_a_capital_that_begins_a_sentence():
    src, tgt = masked("의사가 민지에게 간다", "Doctor goes to Minji", KNOWN)
    assert numbers(src) == "의사가 <ph>에게 간다" and numbers(tgt) == "Doctor goes to <ph>"


def test_all_masks_are_used_in_the_order_of_the_source():
    counts = Counter()
    for seed in range(200):
        src, tgt = masked("{a} {b} {c}", "{c} {a} {b}", seed=seed)
        in_src = re.findall(r"<ph\d>", src)
        assert in_src == sorted(in_src) and sorted(re.findall(r"<ph\d>", tgt)) == in_src
        counts.update(in_src)
    assert set(counts) == set(MASKS)


@settings(max_examples=150, deadline=None)
@given(nasty_text, nasty_text, st.integers(0, 9))
def test_both_sides_get_the_same_masks(src, tgt, seed):
    new_src, new_tgt = masked(src, tgt + " {x} 7", KNOWN, seed)
    if (new_src, new_tgt) != (src, tgt + " {x} 7"):
        assert Counter(re.findall(r"<ph\d>", new_src)) == Counter(re.findall(r"<ph\d>", new_tgt))
        assert max(Counter(re.findall(r"<ph\d>", new_src)).values()) == 1


def test_aligned_words_are_annotated_with_and_without_their_source():
    found = {
        annotate_pair("민지는 의사다", "Minji is a doctor", KNOWN, Random(seed))
        for seed in range(60)
    }
    assert "<term> 민지 <as> Minji </term>는 <term> 의사 <as> doctor </term>다" in found
    assert "민지는 <term> <as> doctor </term>다" in found
    assert "민지는 의사다" not in found


def test_a_pair_without_aligned_words_is_kept():
    assert annotate_pair("나는 간다", "I go", KNOWN, Random(1)) == "나는 간다"

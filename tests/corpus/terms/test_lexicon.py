"""Word translations learned from a small corpus that is known, and the words they align."""

from itertools import product

import pytest

from mtkit.corpus.terms.lexicon import Lexicon, WordSplitter

NOUNS = {"사과": "apple", "빵": "bread", "우유": "milk", "옷": "clothes", "문": "door"}
VERBS = {"샀다": "bought", "봤다": "saw", "팔았다": "sold"}
PARTICLES = "을를이은"


@pytest.fixture(scope="module")
def lexicon():
    pairs = [
        (f"{noun}{particle} {verb}", f"the {english} {english_verb}")
        for (noun, english), (verb, english_verb), particle in product(
            NOUNS.items(), VERBS.items(), PARTICLES
        )
    ]
    src, tgt = zip(*(pairs * 4 + [("딴 말", "other words")] * 1500), strict=True)
    return Lexicon.learn(src, tgt, ("ko", "en"))


def test_words_are_aligned_without_particles(lexicon):
    for (noun, english), (verb, english_verb) in product(NOUNS.items(), VERBS.items()):
        aligned = lexicon.align(f"{noun}을 {verb}", f"the {english} {english_verb}")
        assert {(one.src.text, one.tgt.text) for one in aligned} == {
            (noun, english),
            (verb, english_verb),
        }


def test_a_word_may_be_translated_by_several():
    splitters = WordSplitter("ko", ["대학생이 대학생은"]), WordSplitter("en")
    known = {"대학생": {"college": 0.5, "student": 0.3}, "의사": {"doctor": 0.9}}
    [one, other] = Lexicon(known, splitters).align("대학생이 의사", "college student, doctor")
    assert (one.src.text, one.tgt.text) == ("대학생", "college student")
    assert other.tgt.text == "doctor"


def test_spans_are_those_of_the_words(lexicon):
    src, tgt = "사과를 샀다", "the apple bought"
    for one in lexicon.align(src, tgt):
        assert src[one.src.begin : one.src.end] == one.src.text
        assert tgt[one.tgt.begin : one.tgt.end] == one.tgt.text


def test_words_that_occur_twice_or_are_frequent_are_not_aligned(lexicon):
    assert lexicon.align("사과를 사과를", "apple apple") == []
    assert "the" not in {word for row in lexicon.translations.values() for word in row}
    assert lexicon.align("{사과}를", "{apple}") == []


def test_an_empty_corpus_aligns_nothing():
    assert Lexicon.learn([""], ["x"], ("de", "en")).align("Haus", "house") == []

"""Terms in sources and their forms in translations, by a naive search among others."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.corpus.terms.find_terms import FormCounter, TermFinder
from mtkit.corpus.terms.term_list import TermList


def found(terms, text, lang="de"):
    finder = TermFinder(TermList.of(terms).terms, lang)
    return [(one.term.source, text[one.begin : one.end]) for one in finder.find(text)]


TERMS = {"Haus": "house", "rotes Haus": "red house", "IT": "information technology", "C++": "C++"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Das rote Haus.", [("Haus", "Haus")]),
        ("Ein rotes  haus, HAUS", [("rotes Haus", "rotes  haus"), ("Haus", "HAUS")]),
        ("Hausbau, Rathaus, Haus1", []),
        ("(Haus)-Haus", [("Haus", "Haus"), ("Haus", "Haus")]),
        ("it IT It", [("IT", "IT")]),
        ("In C++, c++ oder C", [("C++", "C++"), ("C++", "c++")]),
        ("{Haus} <b title='Haus'>Haus</b> https://haus.de/Haus a@Haus.de", [("Haus", "Haus")]),
        ("", []),
    ],
)
def test_words_are_found_whole_and_outside_placeholders(text, expected):
    assert found(TERMS, text) == expected


def test_korean_particles_may_follow():
    terms = {"학교": "school", "바나나": "banana", "고등 학교": "high school"}
    text = "학교에서는 바나나를, 고등 학교에 학교장이 학교"
    assert found(terms, text, "ko") == [
        ("학교", "학교"),
        ("바나나", "바나나"),
        ("고등 학교", "고등 학교"),
        ("학교", "학교"),
    ]
    decomposed = unicodedata.normalize("NFD", "학교에 간다")
    [(_, part)] = found(terms, decomposed, "ko")
    assert unicodedata.normalize("NFC", part) == "학교"


def test_languages_without_spaces_have_terms_anywhere_but_not_within_latin_words():
    terms = {"东京": "Tokyo", "东京大学": "University of Tokyo", "GPU": "GPU"}
    assert found(terms, "我在东京大学用GPU和GPUs,东京。", "zh") == [
        ("东京大学", "东京大学"),
        ("GPU", "GPU"),
        ("东京", "东京"),
    ]


def test_combining_marks_are_part_of_a_word():
    assert found({"हिन्द": "x", "हिन्दी": "Hindi"}, "यह हिन्दी है", "hi") == [("हिन्दी", "हिन्दी")]
    assert found({"Straße": "street"}, "STRASSE") == [("Straße", "STRASSE")]


def test_further_parts_can_be_protected():
    terms = TermList.of({"Haus": "house"}).protecting(lambda text: [(0, 6)])
    finder = TermFinder(terms.terms, "de", terms.protected)
    assert [one.begin for one in finder.find("Haus-1 Haus {Haus}")] == [7]


WORDS = st.sampled_from(["a", "b", "c", "ab"])


@settings(max_examples=200, deadline=None)
@given(st.sets(st.lists(WORDS, min_size=1, max_size=3).map(tuple)), st.lists(WORDS, max_size=8))
def test_the_leftmost_longest_terms_are_found(terms, words):
    expected, index = [], 0
    while index < len(words):
        lengths = range(1, min(3, len(words) - index) + 1)
        n = max((n for n in lengths if tuple(words[index : index + n]) in terms), default=0)
        if n:
            expected.append(" ".join(words[index : index + n]))
        index += n or 1
    listed = {" ".join(term): "x" for term in terms} or {"z": "x"}
    assert [source for source, _ in found(listed, " ".join(words))] == expected


@pytest.mark.parametrize(
    ("text", "forms", "lang", "n"),
    [
        ("House and house, greenhouse, HOUSE", ["house"], "en", 2),
        ("a red house, house", ["house", "red house"], "en", 2),
        ("iPhone, IPhone, iphone", ["iPhone"], "en", 2),
        ("학교에서 학교장이 학교", ["학교"], "ko", 2),
        ("我在东京大学", ["东京"], "zh", 1),
        ("houses", ["house", "houses"], "en", 1),
        ("", ["house"], "en", 0),
    ],
)
def test_forms_are_counted_at_word_borders(text, forms, lang, n):
    assert FormCounter(lang).count(text, forms) == n

"""Placeholders: found, carried through a translation, and every fall-back counted."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.corpus.placeholders import INSERTED_PATTERN
from mtkit.documents.protect import Protector
from mtkit.documents.segment import Code, Document, Protected, Segment
from mtkit.documents.translation.segment_request import (
    PIECES_ALONE,
    PLACEHOLDERS_BY_POSITION,
    SOURCE_KEPT,
    Settings,
)
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.errors import MtkitError
from tests.documents.translating import upper


def found(text, *patterns):
    return [text[begin:end] for begin, end in Protector(patterns).spans(text)]


def test_placeholders_are_found():
    text = (
        "Hi {name}, {0} of %(n)d at %1$s or %s: see https://a.b/c?d=1. Or mail x.y@z.org, ${HOME}."
    )
    assert found(text) == [
        *("{name}", "{0}", "%(n)d", "%1$s", "%s"),
        *("https://a.b/c?d=1", "x.y@z.org", "${HOME}"),
    ]
    assert found("100 % sure, 5% or {} less") == ["{}"]


@given(
    st.lists(
        st.sampled_from(["https", "://", "ftp://", "www", ".", "a.b", "@", "%", "s", "(n)d", "1$"])
        | st.sampled_from(["{", "}", "$", "#", " ", "x"]),
        max_size=12,
    ).map("".join)
)
def test_no_placeholder_is_missed(text):
    """The pattern alone: ICU arguments, which may be longer, are in another test."""
    pattern = re.compile(INSERTED_PATTERN, re.VERBOSE)
    assert found(text) == [match.group() for match in pattern.finditer(text)]


def test_a_text_of_placeholders_does_not_go_to_the_model():
    document = Document("{a}: %s!", [Segment("{a}: %s!", 0, 8)])
    [outcome] = translate_segments(document, document.segments, pytest.fail, Settings())
    assert (outcome.pieces, outcome.fallbacks) == (None, ())


def test_an_icu_argument_is_one_placeholder():
    argument = "{n, plural, one {# file in {dir}} other {{m, select, a {A} other {B}} files}}"
    assert found(f"There is {argument} and {{x}}.") == [argument, "{x}"]
    assert found("{n, plural, one {never closed") == []
    assert found("{date, date, short} {n,number}") == ["{date, date, short}", "{n,number}"]


def test_own_patterns():
    assert found("See ABC-123 and {x}", "[A-Z]+-[0-9]+") == ["ABC-123", "{x}"]
    assert found("a {x y} b", r"x \S+") == ["x y}"]
    assert found("Foo or Bar", "Foo|Bar", "or") == ["Foo", "or", "Bar"]
    long = "word " * 300 + "ABC-1 " + "word " * 300
    assert found(long, "[A-Z]+-[0-9]+") == ["ABC-1"]


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a+)+", "repeated group"),
        ("(a|b)*", "repeated group"),
        ("(?:a|b){3}", "repeated group"),
        (r"(a)\1", "reference"),
        ("(?=a)b", "look-ahead"),
        ("(?i)a", "flag"),
        ("a*b*c*d", "too many ways"),
        ("a?" * 9 + "a" * 9, "too many ways"),
        ("(a|a)" * 9, "too many ways"),
        ("[", "not valid"),
        ("a*", "empty text"),
        ("", "1 to 200"),
        ("a" * 201, "1 to 200"),
    ],
)
def test_patterns_that_could_take_long_are_refused(pattern, what):
    with pytest.raises(MtkitError, match=what):
        Protector([pattern])


@pytest.mark.parametrize(
    "pattern", ["a.*b.*c", "[a-z]+[a-z]+9", "a?a?a?a?aaaa[a]+9", "(a|aa)(a|aa)a+9"]
)
def test_the_time_of_a_pattern_is_bounded(pattern):
    started_s = time.process_time()
    Protector([pattern]).spans("a" * 1_200)
    assert time.process_time() - started_s < 2


@pytest.mark.parametrize("part", ["{", "{a,plural,", "%", "@", "a@", "http://", "{a", "a."])
def test_the_time_of_the_search_is_linear(part):
    started_s = time.process_time()
    Protector().spans(part * (60_000 // len(part)))
    assert time.process_time() - started_s < 2


def outcome(text, translate, **options):
    segments = [Segment(text, 0, len(text))]
    [one] = translate_segments(Document(text, segments), segments, translate, Settings(**options))
    return one


def test_a_copied_placeholder_needs_no_fall_back():
    one = outcome("Hello {name}!", lambda texts: ["Hallo {name}!"])
    assert one.pieces == ("Hallo ", Protected(6, 12, "{name}", is_text=True), "!")
    assert one.fallbacks == ()


@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("{name} is here", "The white{name}is here", "The white {name} is here"),
        ("see {a}{b}.", "siehe{a}{b}dort.", "siehe {a}{b} dort."),
        ("{n}px wide", "breit{n}px", "breit {n}px"),
        ("({n})", "({n})", "({n})"),
    ],
)
def test_a_placeholder_is_glued_to_letters_only_where_it_is_in_the_source(
    source, translation, expected
):
    document = Document(source)
    segment = Segment(source, 0, len(source))
    [outcome] = translate_segments(document, [segment], lambda _: [translation], Settings())
    assert outcome.text == expected
    settings = Settings(tgt_lang="ja")  # written without spaces
    [outcome] = translate_segments(document, [segment], lambda _: [translation], settings)
    assert outcome.text == translation


def test_masks_stand_for_placeholders():
    requests = []

    def translate(texts):
        requests.append(texts)
        return ["<2> vor <1>"]

    one = outcome("{a} after {b}", translate, masks=("<1>", "<2>"))
    assert requests == [["<1> after <2>"]]
    assert (one.text, one.fallbacks) == ("{b} vor {a}", ())


@pytest.mark.parametrize("bad", ["Hallo!", "Hallo {nome}!", "{name} {name}", "Hallo {name} {x}!"])
def test_a_lost_or_invented_placeholder_splits_the_segment(bad):
    requests = []

    def translate(texts):
        requests.append(texts)
        return [bad if "{" in text else text.upper() for text in texts]

    one = outcome("Hello {name}, my friend.", translate)
    assert requests == [["Hello {name}, my friend."], ["Hello", ", my friend."]]
    assert (one.text, one.fallbacks) == ("HELLO {name}, MY FRIEND.", (PIECES_ALONE,))


def test_several_words_are_separated_from_a_placeholder():
    tgt = {"에게 간다.": "I go to.", "나는": "I"}
    one = outcome("나는 {x}에게 간다.", lambda texts: [tgt.get(text, "bad") for text in texts])
    assert one.text == "I {x} I go to."


def test_placeholders_are_placed_by_position_if_pieces_invent_some():
    one = outcome(
        "One two {x} three four.", lambda texts: [f"A B C D{{y}} {len(texts)}" for _ in texts]
    )
    assert (one.text, one.fallbacks) == ("A B {x} C D 1", (PLACEHOLDERS_BY_POSITION,))


def test_the_source_is_kept_if_all_else_fails():
    one = outcome("One {x}.", lambda texts: ["{y}"] * len(texts))
    assert (one.pieces, one.fallbacks) == (None, (SOURCE_KEPT,))
    one = outcome("One.", lambda texts: [" "] * len(texts))
    assert (one.pieces, one.fallbacks) == (None, (SOURCE_KEPT,))


def test_equal_texts_are_translated_once():
    calls = []

    def translate(texts):
        calls.append(texts)
        return [text.upper() for text in texts]

    segments = [Segment(text, 0, 3) for text in ("One", "two", "One")]
    outcomes = translate_segments(Document(""), segments, translate, Settings())
    assert [one.text for one in outcomes] == ["ONE", "TWO", "ONE"]
    assert calls == [["One", "two"]]


def test_results_are_checked():
    with pytest.raises(MtkitError, match="2 results for 1 texts"):
        outcome("One.", lambda texts: ["a", "b"])
    with pytest.raises(TypeError, match="not int"):
        outcome("One.", lambda texts: [1])


NOISE = st.sampled_from(["{a}", "{b}", "%s", "word", "Satz", "{", "}", "%", "a@b.c", "\n", " "])
SOURCES = st.lists(st.sampled_from(["{a}", "%s", "{a}", "word", "two.", "x@y.z"]), min_size=1).map(
    " ".join
)


@settings(max_examples=60, deadline=None)
@given(SOURCES, st.lists(st.lists(NOISE, max_size=6).map(" ".join), min_size=1))
def test_no_placeholder_is_lost_or_invented(source, noise):
    """Whatever the translate function writes."""
    calls = iter(noise * 20)
    one = outcome(source, lambda texts: [next(calls) for _ in texts])
    assert sorted(found(one.text)) == sorted(found(source))


def test_tags_of_a_piece_are_placed_at_borders_of_words():
    text = "ab {x} see a link and more"
    codes = (Code(0, 0, 0, 1), Code(2, 0, 0, 0), Code(11, 0, 0, 3), Code(17, 0, 0, 2))
    segments = [Segment(text, 0, len(text), codes)]
    document = Document(text, segments)
    [one] = translate_segments(document, segments, upper, Settings())
    parts = "".join(piece if isinstance(piece, str) else "|" for piece in one.pieces or ())
    assert parts == "|AB| | SEE |A LINK| AND MORE"


def test_a_segment_whose_pieces_stay_is_unchanged():
    one = outcome("Hello {name}!", lambda texts: [text.replace("{name}", "") for text in texts])
    assert (one.pieces, one.fallbacks) == (None, ("pieces between placeholders translated alone",))

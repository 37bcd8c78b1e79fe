"""Messages of programs: ICU arguments, tags and references, with a naive reader of ICU."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.icu import escape_icu, parse_icu
from tests.documents.translating import careful, identity, reversed_words, translated


def message(tmp_path, text, translate, **options):
    """Translate a message, and return it with the remarks."""
    data, report = translated(tmp_path, "a.json", json.dumps([text]), translate, **options)
    [new] = json.loads(data)
    return new, report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{n, plural, one {# file} other {# files}}", "{n, plural, one {# FILE} other {# FILES}}"),
        (
            "Hi {who}: {n, plural, offset:1 =0 {none} other{{g, select, f {her} other {{d, date}}}}}!",
            "HI {who}: {n, plural, offset:1 =0 {NONE} other{{g, select, f {HER} other {{d, date}}}}}!",
        ),
        (
            "It''s {n, select, other {o''clock '}' x '{'}}",
            "IT''S {n, select, other {O''CLOCK '}' X '{'}}",
        ),
        ("it's {n, select, other {a}}", "IT'S {n, select, other {A}}"),
        ("<b>{n, plural, other {# <br/>x}}</b> y", "<b>{n, plural, other {# <br/>X}}</b> Y"),
        ("{n, selectordinal, one {#st}}", "{n, selectordinal, one {#ST}}"),
        # Not messages: what is balanced is copied, the rest is plain text.
        ("{n, plural, one {x} go", "{N, PLURAL, ONE {x} GO"),
        ("a {{name}} %{x} $t(b.c) @:d.e &nbsp; z", "A {{name}} %{x} $t(b.c) @:d.e &nbsp; Z"),
        ("one\n  two\r\n\nthree ", "ONE\n  TWO\r\n\nTHREE "),
    ],
)
def test_texts_are_translated_and_syntax_is_kept(tmp_path, text, expected):
    assert message(tmp_path, text, careful)[0] == expected
    assert message(tmp_path, text, identity)[0] == text


def test_branches_follow_their_argument(tmp_path):
    text = "red {n, plural, one {big file} other {big <i>old</i> files}} here"
    new, _ = message(tmp_path, text, reversed_words)
    assert new == "here {n, plural, one {file big} other {files <i>old</i> big}} red"


def test_written_text_is_no_syntax(tmp_path):
    def translate(texts):
        return [f"l'{text} }} d'" for text in texts]

    new, _ = message(tmp_path, "{n, plural, other {<b>#</b> a}} y", translate)
    assert new == "l''{n, plural, other {<b>l''#</b> a '}' d''}} y '}' d''"


@pytest.mark.parametrize(
    ("language", "remarks"),
    [
        ("ru", {"plural without the form few, many": 1}),
        ("en", {}),
        ("ja", {}),
        ("ar", {"plural without the form zero, two, few, many": 1}),
        ("xx", {}),
    ],
)
def test_missing_plural_forms_are_reported(tmp_path, language, remarks):
    text = "{n, plural, =0 {none} one {# file} other {# files}}"
    assert message(tmp_path, text, careful, tgt_lang=language)[1].fallbacks == remarks


def naive_texts(text, in_plural=False):
    """The text of a message without arguments, read character by character."""
    shown, i = "", 0
    while i < len(text):
        char = text[i]
        if text.startswith("''", i):
            shown, i = shown + "'", i + 2
        elif char == "'" and text[i + 1 : i + 2] in ("{", "}", *("#" * in_plural)):
            end = i + 1
            while not (text[end] == "'" and text[end : end + 2] != "''"):
                end += 2 if text[end] == "'" else 1
            shown, i = shown + text[i + 1 : end].replace("''", "'"), end + 1
        else:
            assert char not in "{}" and not (in_plural and char == "#")
            shown, i = shown + char, i + 1
    return shown


@given(st.text("ab'{}# "), st.booleans(), st.booleans())
def test_escaped_text_is_read_as_itself(text, is_plural, doubled):
    options = {"is_plural": is_plural, "doubles_apostrophes": doubled}
    assert naive_texts(escape_icu(text, **options), is_plural) == text


@settings(max_examples=200)
@given(st.text("{}',# nplura=1", max_size=30))
def test_any_text_is_parsed_or_refused(text):
    text = "{n, plural, other {" + text
    parsed = parse_icu(text, 0, len(text))
    if parsed is not None:
        for item in parsed.items:
            assert item.begin < item.end <= len(text)
            for branch in item.branches:
                inside = text[branch.message.begin - 1 : branch.message.end + 1]
                assert re.fullmatch(r"\{.*\}", inside)


def test_deep_nesting_takes_no_time(tmp_path):
    text = "{n, select, other {" * 3000 + "x" + "}}" * 3000
    assert message(tmp_path, text, identity)[0] == text

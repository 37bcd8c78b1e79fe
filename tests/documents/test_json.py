"""JSON documents against Python's json module."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.data.json import JsonDocument
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError
from tests.documents.translating import careful, identity, translated, upper

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def with_texts(tree, change):
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, list):
        return [with_texts(one, change) for one in tree]
    if isinstance(tree, dict):
        return {key: with_texts(one, change) for key, one in tree.items()}
    return tree


@settings(max_examples=150)
@given(TREES, st.booleans(), st.sampled_from([None, 1]))
def test_all_texts_and_nothing_else_are_written(tree, is_ascii, indent):
    text = json.dumps(tree, ensure_ascii=is_ascii, indent=indent)
    document = JsonDocument.parse(text, ReadOptions())
    assert document.write([]) == text
    texts = {i: f'{value.text}\x01"한😀\\' for i, value in enumerate(document.values)}
    document.new_texts = lambda translated: texts
    written = json.loads(document.write([]))
    assert written == with_texts(tree, lambda value: f'{value}\x01"한😀\\')


def test_bytes_of_all_other_things_stay(tmp_path):
    data = (
        b'\xef\xbb\xbf {"A\\u00e9":\r\n 1E999, "b" : "x\\u0041\\n",\t"b":[true,"Y y",-0.0, '
        + b"9" * 5000
        + b"]}\r\n"
    )
    assert translated(tmp_path, "a.json", data, identity)[0] == data
    expected = data.replace(b'"x\\u0041\\n"', b'"X\\u0041\\n"').replace(b"Y y", b"Y Y")
    assert translated(tmp_path, "a.json", data, upper)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'["a", "\u00e9"]', r'["\u00e9\ud83d\ude00", "\u00e9\ud83d\ude00"]'),
        ('["a", "ü"]', '["é😀", "é😀"]'),
        ('["a"]', '["é😀"]'),
        (r'["a", "\u00E9", "ü"]', r'["\u00E9😀", "\u00E9😀", "\u00E9😀"]'),
    ],
)
def test_characters_are_escaped_as_in_the_file(tmp_path, text, expected):
    out, _ = translated(tmp_path, "a.json", text, lambda texts: ["é😀"] * len(texts))
    assert out.decode() == expected


DATA = '{"id": "x y", "a": {"b.c": "one", "t": ["two", {"t": "three"}]}, "d": {"t": "four"}}'


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        (["t"], ["two", "three", "four"]),
        (["a.t"], ["two", "three"]),
        (["*.t"], ["two", "three", "four"]),
        (["a.t.*.t"], ["three"]),
        (["b.c", "id"], ["x y", "one"]),
        (["a"], ["one", "two", "three"]),
    ],
)
def test_fields_select_keys(tmp_path, fields, changed):
    expected = DATA
    for text in changed:
        expected = expected.replace(f'"{text}"', f'"{text.upper()}"')
    assert translated(tmp_path, "a.json", DATA, upper, fields=fields)[0].decode() == expected


def test_each_line_of_json_lines_is_a_value(tmp_path):
    data = '{"t": "one", "u": "x"}\r\n\n{"t": "two"}\n'
    out, _ = translated(tmp_path, "a.jsonl", data, upper, fields=["t"])
    assert out.decode() == data.replace("one", "ONE").replace("two", "TWO")
    with pytest.raises(
        MtkitError, match="line 3 is not valid JSON: Expecting value at character 6"
    ):
        translated(tmp_path, "a.jsonl", '{"t": "one"}\n\n{"t":', upper)


def test_the_key_of_the_source_language_is_reported(tmp_path):
    for key, n in (("en", 1), ("en-GB", 1), ("de", 0)):
        _, report = translated(
            tmp_path, "a.json", f'{{"{key}": {{"a": "b"}}}}', careful, src_lang="en"
        )
        assert report.fallbacks["key of the source language kept"] == n


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "b",}', "line 1 is not valid JSON: Expecting property name"),
        ('{\n"a": "\\x"}', "line 2 is not valid JSON: Invalid \\escape at character 7"),
        ('["a" // b\n]', "line 1 is not valid JSON"),
        ('["a", NaN]', "is not valid JSON: it contains NaN"),
        ('["a\n"]', "Invalid control character"),
        ('["a"] x', "Extra data"),
        ('"' + "a" * 100, "Unterminated string"),
        ("[" * 600 + '"a"' + "]" * 600, "nested deeper than 500 levels"),
        ("[" * 200_000, "nested deeper than 500 levels"),
        ("[1, 2]", "no text to translate"),
    ],
)
def test_invalid_files_are_refused(tmp_path, text, message):
    with pytest.raises(MtkitError) as info:
        translated(tmp_path, "a.json", text, upper)
    assert message in info.value.message and "\n" not in info.value.message + info.value.hint


def test_an_unknown_field_is_refused(tmp_path):
    with pytest.raises(MtkitError, match="no text with the key tt") as info:
        translated(tmp_path, "a.json", DATA, upper, fields=["t", "tt"])
    assert "there are id, a, b.c, t, d" in info.value.hint


def test_half_of_a_character_is_kept(tmp_path):
    data = r'["a\ud800 b", "c"]'
    assert translated(tmp_path, "a.json", data, upper)[0].decode() == r'["a\ud800 b", "C"]'


def test_the_report_names_lines_of_the_file(tmp_path):
    _, report = translated(
        tmp_path, "a.json", '{\n"a": "b",\n"c": "d"}', lambda texts: [""] * len(texts)
    )
    assert [one.line for one in report.listed] == [2, 3]

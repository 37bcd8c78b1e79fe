"""YAML documents against PyYAML, which reads YAML 1.1, and ruamel.yaml for YAML 1.2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mtkit.documents.data.yaml import YamlDocument
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError
from tests.documents.translating import careful, identity, translated, upper

PAGE = """\
# a comment
en: &a
  plain: some text here  # another
  "quoted": 'it''s'
  custom: !ref foo
  typed: &z !!str foo
  literal: |
    line one
      more

    last
  folded: >-
    a text in two
    lines

    and another
  double: "two
    lines \\u00e9"
  alias: *a
  flags: [yes, Off, null, 0x1F, 2001-01-01, 1e3, .inf, 12:30, ~]
  list: [one two, {x: y z}]
  ? [complex, key]
  : value
---
en: second document
"""
EXPECTED = """\
# a comment
en: &a
  plain: SOME TEXT HERE  # another
  "quoted": 'IT''S'
  custom: !ref foo
  typed: &z !!str FOO
  literal: |
    LINE ONE
      MORE

    LAST
  folded: >-
    A TEXT IN TWO LINES

    AND ANOTHER
  double: "TWO LINES \\u00c9"
  alias: *a
  flags: [yes, Off, null, 0x1F, 2001-01-01, 1e3, .inf, 12:30, ~]
  list: [ONE TWO, {x: Y Z}]
  ? [complex, key]
  : VALUE
---
en: SECOND DOCUMENT
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_texts_are_translated_and_all_else_stays(tmp_path, newline):
    data = b"\xef\xbb\xbf" + PAGE.replace("\n", newline).encode()
    assert translated(tmp_path, "a.yaml", data, identity)[0] == data
    out, report = translated(tmp_path, "a.yml", data, careful, src_lang="eng")
    assert out == b"\xef\xbb\xbf" + EXPECTED.replace("\n", newline).encode()
    assert report.fallbacks == {
        "key of the source language kept": 1,
        "values with a tag kept": 1,
    }


STYLES = [
    "a: {}\nb: 1\n".format,
    "- {}".format,
    "[{}, x]".format,
    "{{a: {}, b: [{}]}}".format,
]
SCALARS = ["word", "'word'", '"word"', "!!str word", '!!str "word"']
BLOCKS = [
    "a: |\n  word\n",
    "a: >-\n  word\nb: 1\n",
    "- |2-\n  word\n",
    "a:\n - >+\n    word\n\n\n - b\n",
]


def texts_in(tree):
    if isinstance(tree, str):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [text for value in values for text in texts_in(value)]


@settings(max_examples=120)
@given(
    st.sampled_from([*(style(*[scalar] * 2) for style in STYLES for scalar in SCALARS), *BLOCKS]),
    st.text("ab'\"\\:#-?,[]{}&*!|>%@`~. \u00e9\ud55c\U0001f600\x07\x85\u2028", min_size=1)
    .map(str.strip)
    .filter(bool)
    | st.sampled_from(
        ["yes", "NO", "null", "1.5e3", "0b1", "2001-12-14", "~", "- a", "...", "---"]
    ),
)
def test_every_text_is_read_as_itself(page, text):
    yaml = pytest.importorskip("yaml")
    document = YamlDocument.parse(page, ReadOptions())
    changed = [i for i, value in enumerate(document.values) if value.text.strip() == "word"]
    texts = {i: document.values[i].text.replace("word", text) for i in changed}
    expected = [texts.get(i, value.text) for i, value in enumerate(document.values)]
    document.new_texts = lambda translated: texts
    written = document.write([])
    assert texts_in(yaml.safe_load(written)) == expected
    assert texts_in(YAML(typ="safe", pure=True).load(written)) == expected


def test_a_text_of_several_lines_is_folded_to_the_width_of_the_source(tmp_path):
    text = "a: >\n  " + "word " * 8 + "\n  word\nb: x\n"
    out, _ = translated(tmp_path, "a.yaml", text, lambda texts: ["long " * 19 + "end"] * len(texts))
    assert (
        out.decode()
        == "a: >\n"
        + ("  " + "long " * 7 + "long\n") * 2
        + "  long long long end\nb: "
        + "long " * 19
        + "end\n"
    )


def test_fields_select_keys(tmp_path):
    out, _ = translated(
        tmp_path, "a.yaml", "a: {t: x, u: w}\nb: [t: z]\n", upper, fields=["b.*.t", "u"]
    )
    assert out == b"a: {t: x, u: W}\nb: [t: Z]\n"
    with pytest.raises(MtkitError, match="no text with the key v"):
        translated(tmp_path, "a.yaml", "a: {t: x}", upper, fields=["v"])


def test_aliases_are_not_expanded(tmp_path):
    page = "a: &a [lol]\n" + "".join(
        f"b{i}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
    )
    assert translated(tmp_path, "a.yaml", page, upper)[0].decode() == page.replace("lol", "LOL")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [b", "line 1 is not valid YAML"),
        ('x: y\na: "\\x"', "line 2 is not valid YAML"),
        ('a: "\\UFFFFFFFF"', "is not valid YAML"),
        ("a:\n\tb: c", "line 2 is not valid YAML"),
        ("a: \0", "is not valid YAML"),
        ("[" * 1000, "nested deeper than 200 levels"),
        ("- x\ny: z", "line 2 is not valid YAML"),
        ("a: 1", "no text to translate, read as yaml"),
    ],
)
def test_invalid_files_are_refused(tmp_path, text, message):
    with pytest.raises(MtkitError) as info:
        translated(tmp_path, "a.yaml", text, upper)
    assert message in info.value.message and "\n" not in info.value.message + info.value.hint


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mtkit.documents.data.yaml_values.MAX_CHARS", 10)
    with pytest.raises(MtkitError, match="11 characters are more than a YAML file may have"):
        translated(tmp_path, "a.yaml", "a: " + "b" * 8, upper)

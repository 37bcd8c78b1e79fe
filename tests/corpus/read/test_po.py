"""Corpora in gettext catalogs, with polib as the independent reader."""

import logging
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.read.po_entries import escape_po, read_entries, unescape_po
from mtkit.errors import MtkitError

HEADER = 'msgid ""\nmsgstr ""\n"Language: {}\\n"\n"Plural-Forms: {}\\n"\n\n'
TWO = "nplurals=2; plural=(n != 1);"


def pairs_of(path, text, *, src_lang="en", tgt_lang="ko", **settings):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = CorpusSource(file=path, **settings)
    return list(
        read_pairs(source, DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,)))
    )


def test_translated_entries(tmp_path, caplog):
    text = (
        '# x\nmsgctxt "c"\nmsgid "a\\n"\n"house"\nmsgstr "집"\n\n#, fuzzy\nmsgid "b"\nmsgstr "개"\n\n'
        'msgid "c"\nmsgstr ""\n\n#, fuzzy\n#~ msgid "d"\n#~ msgstr "말"\n\nmsgid "e\\"\\\\"\nmsgstr "소"\n'
    )
    with caplog.at_level(logging.INFO):
        assert pairs_of(tmp_path / "a.po", text) == [("a house", "집"), ('e"\\', "소")]
    assert "2 of 4 units are skipped: 1 marked as fuzzy, 1 without a translation" in caplog.text


@pytest.mark.parametrize(
    ("plurals", "forms", "expected"),
    [
        (TWO, ["eins", "viele"], [("one", "eins"), ("many", "viele")]),
        ("", ["eins", "viele"], [("one", "eins"), ("many", "viele")]),
        ("nplurals=1; plural=0;", ["alle"], [("many", "alle")]),
        (
            "nplurals=3; plural=(n==1 ? 0 : n<5 ? 1 : 2);",
            ["eins", "wenige", "viele"],
            [("one", "eins"), ("many", "viele")],
        ),
    ],
)
def test_plural_forms(tmp_path, plurals, forms, expected):
    entry = 'msgid "one"\nmsgid_plural "many"\n'
    entry += "".join(f'msgstr[{n}] "{form}"\n' for n, form in enumerate(forms))
    assert pairs_of(tmp_path / "a.po", HEADER.format("ko", plurals) + entry) == expected


def test_the_language_of_the_header_gives_the_direction(tmp_path):
    text = HEADER.format("ko_KR", TWO) + 'msgid "house"\nmsgstr "집"\n'
    assert pairs_of(tmp_path / "a.po", text) == [("house", "집")]
    assert pairs_of(tmp_path / "a.po", text, src_lang="ko", tgt_lang="en") == [("집", "house")]
    with pytest.raises(
        MtkitError, match="no unit from en to fr or back; its languages: unknown to"
    ):
        pairs_of(tmp_path / "a.po", text, tgt_lang="fr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('msgid "a"\nmsgstr "b\n', "line 2: not a line of a gettext catalog"),
        (HEADER.format("ko", "nplurals=2; plural=x;"), "Plural-Forms in the header is not valid"),
        ('msgid "a"\nmsgstr "\xff"\n'.encode("latin-1"), "invalid UTF-8 in line 2"),
    ],
)
def test_errors(tmp_path, text, message):
    with pytest.raises(MtkitError, match=re.escape(message)) as caught:
        pairs_of(tmp_path / "a.po", text)
    assert caught.value.hint


def test_columns_are_refused(tmp_path):
    with pytest.raises(MtkitError, match="PO has languages instead of columns"):
        pairs_of(tmp_path / "a.po", "", src_column="x")


_texts = st.text(st.sampled_from('ab \n\t"\\%한글😀\u2028'), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_texts, _texts, min_size=1, max_size=4), st.integers(10, 90))
def test_entries_are_those_of_polib(messages, width):
    polib = pytest.importorskip("polib")
    catalog = polib.POFile(wrapwidth=width)
    for number, (src, tgt) in enumerate(messages.items()):
        flags = ["fuzzy", "c-format"][: number % 3]
        catalog.append(
            polib.POEntry(msgid=src, msgstr=tgt, flags=flags, msgctxt="c" * (number % 2))
        )
    text = str(catalog)
    entries = list(read_entries([f"{line}\n" for line in text.split("\n")], "a.po"))[1:]
    assert [(one.msgid.text, one.translations[0].text) for one in entries] == list(messages.items())
    assert [one.flags for one in entries] == [one.flags for one in catalog]
    for entry in entries:
        for string in entry.strings:
            assert text[string.begin] == text[string.end - 1] == '"'
            assert all(text[begin:].startswith(part) for begin, part in string.parts)
            assert unescape_po(escape_po(string.text)) == string.text

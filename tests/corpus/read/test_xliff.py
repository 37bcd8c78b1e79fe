"""Corpora in XLIFF, with lxml and translate-toolkit as independent readers."""

import gzip
import logging
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.read.xliff import xliff_pairs
from mtkit.corpus.sentence_pair import SideSpec
from mtkit.errors import MtkitError

UNIT = '<trans-unit id="{0}"><source>{1}</source><target{3}>{2}</target></trans-unit>'


def one(units, langs='source-language="ko" target-language="en"'):
    head = '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
    return f"{head}<file {langs}><body>{units}</body></file></xliff>"


def two(segments, langs='srcLang="ko" trgLang="en"'):
    head = f'<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" {langs}>'
    return f'{head}<file id="f"><unit id="1">{segments}</unit></file></xliff>'


def pairs_of(path, text, *, src_lang="ko", tgt_lang="en", **settings):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = CorpusSource(file=path, **settings)
    return list(
        read_pairs(source, DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,)))
    )


@pytest.mark.parametrize("name", ["a.xliff", "a.xlf", "a.sdlxliff", "a.mxliff", "a.mqxliff"])
def test_translated_units_of_version_1(tmp_path, caplog, name):
    units = [
        UNIT.format(1, "집\n 하나", "a house", ""),
        UNIT.format(2, "개", "dog", ' state="translated"'),
        UNIT.format(3, "말", "말", ' state="new"'),
        UNIT.format(4, "말", "horse", ' state="needs-review-translation"'),
        UNIT.format(5, "말", "", ""),
        '<trans-unit id="6"><source>소</source></trans-unit>',
        '<trans-unit id="7"><source/><target/></trans-unit>',
        (
            '<trans-unit id="8"><source>새</source><seg-source><mrk mtype="seg">새</mrk></seg-source>'
            '<target><mrk mtype="seg">bird</mrk></target><alt-trans><source>x</source>'
            "<target>y</target></alt-trans></trans-unit>"
        ),
    ]
    with caplog.at_level(logging.INFO):
        pairs = pairs_of(tmp_path / name, one("".join(units)))
    assert pairs == [("집  하나", "a house"), ("개", "dog"), ("새", "bird")]
    assert "4 of 7 units are skipped: 3 without a translation, 1 to be reviewed" in caplog.text


def test_segments_of_version_2(tmp_path):
    text = two(
        "<segment><source>집</source><target>house</target></segment>"
        "<ignorable><source> </source><target> </target></ignorable>"
        '<segment state="initial"><source>개</source><target>개</target></segment>'
        '<segment state="final"><source>말</source><target>horse</target></segment>'
    )
    path = tmp_path / "a.xlf.gz"
    assert pairs_of(path, gzip.compress(text.encode())) == [("집", "house"), ("말", "horse")]


def test_inline_codes_are_read_as_in_a_memory(tmp_path):
    src = (
        '<g id="1">집</g> <ph id="2">{n}</ph> <x id="3" equiv-text="{x}"/>'
        ' <bpt id="4">&lt;b></bpt>개<ept id="4">&lt;/b></ept> <x id="5"/>.'
    )
    assert pairs_of(tmp_path / "a.xlf", one(UNIT.format(1, src, src, ""))) == [
        ("집 {n} {x} 개.", "집 {n} {x} 개.")
    ]


def test_a_file_in_the_other_direction_is_turned_around(tmp_path, caplog):
    text = one(UNIT.format(1, "house", "집", ""), 'source-language="en-US" target-language="ko"')
    with caplog.at_level(logging.INFO):
        assert pairs_of(tmp_path / "a.xlf", text) == [("집", "house")]
    assert "its sources are en" in caplog.text


def test_files_in_other_languages_are_skipped(tmp_path, caplog):
    files = [
        f"<file {langs}><body>{UNIT.format(1, src, tgt, '')}</body></file>"
        for langs, src, tgt in (
            ('source-language="ko" target-language="fr"', "집", "maison"),
            ('source-language="ko"', "집", "house"),
        )
    ]
    text = f"<xliff version='1.2'>{''.join(files)}</xliff>"
    with caplog.at_level(logging.INFO):
        assert pairs_of(tmp_path / "a.xlf", text) == [("집", "house")]
    assert "1 of 2 units are skipped: 1 from ko to fr" in caplog.text
    with pytest.raises(MtkitError, match="no unit from ko to de or back; its languages: ko to fr"):
        pairs_of(tmp_path / "b.xlf", f"<xliff version='1.2'>{files[0]}</xliff>", tgt_lang="de")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a/>", "not XLIFF: it begins with <a>"),
        (one("<trans-unit>"), "broken XML: mismatched tag"),
        ("<!DOCTYPE xliff [<!ENTITY a 'b'>]><xliff/>", "declares or uses the entity a"),
        ("<?xml version='1.0' encoding='x'?><xliff/>", "cannot be read: unknown encoding"),
        (one(UNIT.format(1, "\xff", "a", "")).encode("latin-1"), "broken XML"),
    ],
)
def test_errors(tmp_path, text, message):
    with pytest.raises(MtkitError, match=re.escape(message)) as caught:
        pairs_of(tmp_path / "a.xlf", text)
    assert caught.value.hint


def test_columns_are_refused(tmp_path):
    with pytest.raises(MtkitError, match="XLIFF has languages instead of columns"):
        pairs_of(tmp_path / "a.xlf", one(""), src_column="x")


_texts = st.text(st.sampled_from("ab 한글.&<"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_texts, _texts), max_size=4))
def test_pairs_are_those_of_translate_toolkit(tmp_path_factory, pairs):
    xliff = pytest.importorskip("translate.storage.xliff")
    store = xliff.xlifffile(sourcelanguage="ko", targetlanguage="en")
    for src, tgt in pairs:
        unit = store.addsourceunit(src)
        unit.target = tgt
    data = bytes(store)
    expected = [
        (str(unit.source).strip(), str(unit.target).strip())
        for unit in xliff.xlifffile.parsestring(data).units
        if str(unit.source or "").strip() and str(unit.target or "").strip()
    ]
    path = tmp_path_factory.mktemp("xliff") / "a.xlf"
    path.write_bytes(data)
    sides = (SideSpec("src_column", None, "ko"), SideSpec("tgt_column", None, "en"))
    assert list(xliff_pairs(path, "a.xlf", sides)) == expected

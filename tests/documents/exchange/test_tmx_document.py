"""TMX, with lxml and translate-toolkit as independent readers."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.documents.exchange.tmx import TmxDocument
from mtkit.documents.segment import ReadOptions, Translated
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.errors import MtkitError
from tests.documents.exchange.inline_content import codes_of, contents
from tests.documents.translating import careful, identity, reversed_words, translated, upper

etree = pytest.importorskip("lxml.etree")

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4"><header srclang="{}"/><body>\n'
TAIL = "\n</body></tmx>\n"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def memory(units, srclang="de"):
    return f"{HEAD.format(srclang)}{units}{TAIL}"


def result(tmp_path, text, translate=upper, *, src_lang="de", tgt_lang="en", **options):
    data, report = translated(
        tmp_path, "x.tmx", text, translate, src_lang=src_lang, tgt_lang=tgt_lang, **options
    )
    assert etree.fromstring(data) is not None
    return data.decode(), report


def test_a_unit_gets_the_target_language(tmp_path):
    unit = (
        '  <tu tuid="1">\n    <tuv xml:lang="de-DE"><prop type="x">y</prop>\n      <seg>ein Haus</seg>\n'
        '    </tuv>\n    <tuv xml:lang="fr">\n      <seg>maison</seg>\n    </tuv>\n  </tu>'
    )
    written, _ = result(tmp_path, memory(unit, "*all*"))
    added = '\n    <tuv xml:lang="en">\n      <seg>EIN HAUS</seg>\n    </tuv>\n  </tu>'
    assert written == memory(unit, "*all*").replace("\n  </tu>", added)


def test_attributes_of_old_versions_and_varieties(tmp_path):
    units = (
        '<tu><tuv lang="DE"><seg>Haus</seg></tuv></tu>'
        '<tu><tuv lang="de"><seg>Baum</seg></tuv><tuv lang="EN-US"><seg>tree</seg></tuv></tu>'
        '<tu><tuv lang="fr"><seg>arbre</seg></tuv></tu>'
        '<tu><tuv lang="de"><seg>12 %</seg></tuv></tu>'
    )
    written, report = result(tmp_path, memory(units))
    assert '<seg>Haus</seg></tuv><tuv lang="EN-US"><seg>HAUS</seg></tuv></tu>' in written
    assert written.count("<tuv") == 6
    names = ("translated already", "units without the source language", "units without words kept")
    assert report.fallbacks == dict.fromkeys(names, 1)


def test_unknown_languages(tmp_path):
    unit = "<tu{}><tuv xml:lang='de'><seg>ein Haus</seg></tuv></tu>"
    for srclang, attribute in (("de", ""), ("*all*", " srclang='de'")):
        written, _ = result(tmp_path, memory(unit.format(attribute), srclang), src_lang="")
        assert '<tuv xml:lang="en"><seg>EIN HAUS</seg></tuv>' in written
    with pytest.raises(MtkitError, match="the source language is unknown"):
        result(tmp_path, memory(unit.format(""), "*all*"), src_lang="")
    with pytest.raises(MtkitError, match="the target language is unknown"):
        result(tmp_path, memory(unit.format("")), tgt_lang="")


def test_translate_toolkit_reads_both_languages(tmp_path):
    tmx = pytest.importorskip("translate.storage.tmx")
    units = "".join(
        f"<tu><tuv xml:lang='de'><seg>wort {n} &amp; &lt;mehr></seg></tuv></tu>" for n in range(3)
    )
    written, _ = result(tmp_path, memory(units), careful)
    store = tmx.tmxfile.parsestring(written.encode(), "de", "en")
    pairs = [(str(one.source), str(one.target)) for one in store.units]
    assert pairs == [(f"wort {n} & <mehr>", f"WORT {n} & <mehr>") for n in range(3)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contents("tmx"), st.sampled_from([upper, careful, reversed_words]))
def test_any_segment_keeps_its_codes(content, translate):
    text = memory(f"<tu><tuv xml:lang='de'><seg>{content}</seg></tuv></tu>")
    document = TmxDocument.parse(text, ReadOptions("de", "en"))
    assert document.write([]) == text
    outcomes = translate_segments(document, document.segments, translate, Settings())
    changed = [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
    written = document.write(changed)
    variants = etree.fromstring(written.encode()).findall(".//tuv")
    assert [one.get(LANG) for one in variants] == (["de", "en"] if written != text else ["de"])
    assert codes_of(variants[0]) == codes_of(variants[-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a/>", "not TMX: it begins with <a>"),
        (memory("<tu>"), "line 5: not well-formed XML: mismatched tag"),
        (memory("<tu><tuv xml:lang='de'><seg>&nbsp;</seg></tuv></tu>"), "line 4: the entity nbsp"),
        (
            memory("").replace('"tmx14.dtd"', '"x" [<!ENTITY a "b">]'),
            "the DOCTYPE has declarations",
        ),
        (memory(""), "has no text to translate"),
    ],
)
def test_errors(tmp_path, text, message):
    with pytest.raises(MtkitError, match=re.escape(message)) as caught:
        translated(tmp_path, "x.tmx", text, identity, src_lang="de", tgt_lang="en")
    assert caught.value.hint


@pytest.mark.parametrize("options", [{"is_final": True}, {"with_fuzzy": True}])
def test_options_of_other_formats_are_refused(tmp_path, options):
    with pytest.raises(MtkitError, match="does not apply to tmx"):
        translated(tmp_path, "x.tmx", memory(""), identity, **options)

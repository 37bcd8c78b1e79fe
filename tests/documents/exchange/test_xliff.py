"""XLIFF, with lxml and translate-toolkit as independent readers."""

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.documents.exchange.xliff import XliffDocument
from mtkit.documents.segment import ReadOptions, Translated
from mtkit.documents.translation.segment_request import Settings
from mtkit.documents.translation.translate_segments import translate_segments
from mtkit.errors import MtkitError
from tests.documents.exchange.inline_content import codes_of, contents
from tests.documents.translating import careful, identity, reversed_words, translated, upper

etree = pytest.importorskip("lxml.etree")

HEAD = '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
HEAD_2 = '<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.1" srcLang="de"{}>'
LANGS = {"src_lang": "de", "tgt_lang": "en"}
NS = {"a": "urn:oasis:names:tc:xliff:document:1.2", "b": "urn:oasis:names:tc:xliff:document:2.0"}
STATES = ' state="needs-review-translation" state-qualifier="mt-suggestion"'


def one(units, attributes=""):
    return f'{HEAD}<file source-language="de" {attributes}><body>{units}</body></file></xliff>'


def two(units, trg=' trgLang="en"'):
    return f'{HEAD_2.format(trg)}<file id="f">{units}</file></xliff>'


def result(tmp_path, text, translate=upper, **options):
    data, report = translated(tmp_path, "x.xlf", text, translate, **(LANGS | options))
    assert etree.fromstring(data) is not None
    return data.decode(), report


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (
            "<source>ein Haus</source><note>n</note>",
            f"<source>ein Haus</source><target{STATES}>EIN HAUS</target><note>n</note>",
        ),
        (
            "\n  <source>ein Haus</source>\n  <target/>",
            f"\n  <source>ein Haus</source>\n  <target{STATES}>EIN HAUS</target>",
        ),
        (
            "\r\n  <source>ein Haus</source>\r\n  <alt-trans><target>x</target></alt-trans>",
            (
                f"\r\n  <source>ein Haus</source>\r\n  <target{STATES}>EIN HAUS</target>"
                "\r\n  <alt-trans><target>x</target></alt-trans>"
            ),
        ),
        (
            "<source>Haus</source><target state='new' xml:lang='en'>Haus</target>",
            (
                "<source>Haus</source><target state='needs-review-translation' xml:lang='en'"
                ' state-qualifier="mt-suggestion">HAUS</target>'
            ),
        ),
        (
            '<source>Haus</source><target state="needs-translation" state-qualifier="id-match"></target>',
            f"<source>Haus</source><target{STATES}>HAUS</target>",
        ),
        (
            (
                "<source>A. b.</source><seg-source><mrk mtype='seg' mid='1'>a.</mrk> "
                "<mrk mtype='seg' mid='2'>b.</mrk></seg-source><target><mrk mtype='seg' mid='1'/></target>"
            ),
            (
                "<source>A. b.</source><seg-source><mrk mtype='seg' mid='1'>a.</mrk> "
                f"<mrk mtype='seg' mid='2'>b.</mrk></seg-source><target{STATES}>"
                "<mrk mtype='seg' mid='1'>A.</mrk> <mrk mtype='seg' mid='2'>B.</mrk></target>"
            ),
        ),
        (
            "<source><![CDATA[<p>a <b>b & c</b></p>]]></source>",
            (
                "<source><![CDATA[<p>a <b>b & c</b></p>]]></source>"
                f"<target{STATES}><![CDATA[<p>A <b>B & C</b></p>]]></target>"
            ),
        ),
        (
            "<source>&lt;p>a &lt;b>b &amp;amp; c&lt;/b>&lt;/p> &lt;file></source>",
            (
                "<source>&lt;p>a &lt;b>b &amp;amp; c&lt;/b>&lt;/p> &lt;file></source>"
                f"<target{STATES}>&lt;p>A &lt;b>B &amp;amp; C&lt;/b>&lt;/p> &lt;file></target>"
            ),
        ),
    ],
)
def test_targets_of_version_1(tmp_path, unit, expected):
    head, tail = '<trans-unit id="1">', "</trans-unit>"
    text = one(f"{head}{unit}{tail}", 'target-language="en-GB"')
    written, report = result(tmp_path, text)
    assert written == text.replace(unit, expected)
    assert report.n_changed >= 1


def test_prefixes_are_kept(tmp_path):
    text = one("<trans-unit id='1'><source>Haus</source></trans-unit>", 'target-language="en"')
    text = re.sub(r"<(/?)", r"<\1x:", text).replace("xmlns=", "xmlns:x=")
    written, _ = result(tmp_path, text)
    assert f"</x:source><x:target{STATES}>HAUS</x:target></x:trans-unit>" in written


@pytest.mark.parametrize(
    "unit",
    [
        '<trans-unit id="1" approved="yes"><source>a</source></trans-unit>',
        '<trans-unit id="1"><source>a</source><target>x</target></trans-unit>',
        '<trans-unit id="1"><source>a</source><target state="final"/></trans-unit>',
        '<trans-unit id="1"><source>a</source><target state="needs-review-translation">x</target></trans-unit>',
        '<trans-unit id="1"><source>a</source><target><![CDATA[x]]></target></trans-unit>',
    ],
)
def test_translations_are_kept(tmp_path, unit):
    text = one(unit)
    written, report = result(tmp_path, text)
    assert written == text
    assert (report.n_segments, report.fallbacks) == (0, {"translated already": 1})


@pytest.mark.parametrize("source", ["…", '<x id="1"/>: 3', "", "12 %"])
def test_units_without_words_are_counted(tmp_path, source):
    text = one(f'<trans-unit id="1"><source>{source}</source></trans-unit>')
    with pytest.raises(MtkitError, match="no text"):
        result(tmp_path, text)
    unit = '<trans-unit id="2"><source>a</source></trans-unit>'
    written, report = result(tmp_path, text.replace("</body>", f"{unit}</body>"))
    assert (report.n_segments, report.fallbacks) == (1, {"units without words kept": 1})
    assert written.count("<target") == 1


def test_translate_no_is_inherited(tmp_path):
    unit = '<trans-unit id="{}"{}><source>wort{}</source></trans-unit>'
    yes, no = ' translate="yes"', ' translate="no"'
    inner = f"<group>{unit.format(2, '', 2)}{unit.format(3, yes, 3)}</group>"
    groups = f'<group translate="no">{unit.format(1, "", 1)}{inner}</group>'
    groups += unit.format(4, no, 4) + unit.format(5, "", 5)
    written, _ = result(tmp_path, one(groups))
    assert re.findall("<target[^>]*>(.*?)</target>", written) == ["WORT3", "WORT5"]
    units = '<unit id="1"{}><segment><source>wort</source></segment></unit>'
    for text in (
        two(units.format(' translate="no"')),
        two(units.format("")).replace("<file ", '<file translate="no" '),
    ):
        with pytest.raises(MtkitError, match="no text to translate"):
            result(tmp_path, text)


def test_target_language_is_set_once(tmp_path):
    unit = '<trans-unit id="1"><source>ein Haus</source></trans-unit>'
    written, _ = result(tmp_path, one(unit))
    assert written.startswith(f'{HEAD}<file source-language="de" target-language="en"><body>')
    written, _ = result(
        tmp_path, two("<unit id='u'><segment><source>x</source></segment></unit>", "")
    )
    assert HEAD_2.format(' trgLang="en"') in written
    written, _ = result(tmp_path, one(unit, 'target-language=""'))
    assert 'target-language="en"' in written
    for text, options, message in (
        (one(unit, 'target-language="fr"'), {}, "its target language is fr"),
        (one(unit), {"src_lang": "ko"}, "its source language is de"),
        (one(unit), {"tgt_lang": ""}, "neither the document nor the model"),
        (one(unit), {"tgt_lang": "mul"}, "neither the document nor the model"),
        (two("", ' trgLang="fr-CA"'), {}, "its target language is fr-CA"),
    ):
        with pytest.raises(MtkitError, match=message):
            result(tmp_path, text, **options)


def test_lines_of_preserved_space_are_segments(tmp_path):
    unit = '<trans-unit id="1"{}><source>one  two\n\n  - three.\n</source></trans-unit>'
    written, report = result(tmp_path, one(unit.format(' xml:space="preserve"')))
    assert f"<target{STATES}>ONE TWO\n\n  - THREE.\n</target>" in written
    assert report.n_segments == 2
    written, report = result(tmp_path, one(unit.format("")))
    assert f"<target{STATES}>ONE TWO - THREE.\n</target>" in written


def test_segments_of_version_2(tmp_path):
    text = two(
        "<unit id='1'><originalData><data id='d'>&lt;br/></data></originalData>"
        "<segment id='s' state='initial' subState='x:y'><source xml:space='preserve'>ein "
        "<ph id='1' dataRef='d'/>Haus</source></segment><ignorable><source> </source></ignorable>"
        "<segment><source>zwei</source><target>done</target></segment>"
        "<segment state='translated'><source>zwei</source><target>done</target></segment></unit>"
    )
    written, report = result(tmp_path, text)
    old, new = (
        f"<segment id='s' state='{state}'{sub}><source xml:space='preserve'>ein "
        f"<ph id='1' dataRef='d'/>Haus</source>{target}</segment>"
        for state, sub, target in (
            ("initial", " subState='x:y'", ""),
            (
                "translated",
                "",
                "<target xml:space=\"preserve\">EIN <ph id='1' dataRef='d'/>HAUS</target>",
            ),
        )
    )
    assert written == text.replace(old, new)
    assert report.fallbacks["translated already"] == 2


def test_final_translations(tmp_path):
    unit = '<trans-unit id="1"><source>ein Haus</source></trans-unit>'
    written, _ = result(tmp_path, one(unit), is_final=True)
    assert '<target state="final" state-qualifier="mt-suggestion">' in written
    written, _ = result(
        tmp_path, two("<unit id='u'><segment><source>x</source></segment></unit>"), is_final=True
    )
    assert '<segment state="final">' in written


TOOLS = """<?xml version="1.0" encoding="utf-8"?>
<xliff xmlns:sdl="http://sdl.com/FileTypes/SdlXliff/1.0" xmlns:mq="MQXliff" version="1.2"
 xmlns="urn:oasis:names:tc:xliff:document:1.2" sdl:version="1.0"><doc-info xmlns="urn:x"><x/></doc-info>
<file original="a" source-language="de" target-language="en"><header><sdl:ref-files/></header><body>
<trans-unit translate="no" id="a"><source><x id="0"/></source></trans-unit>
<group><sdl:cxts><sdl:cxt id="1"/></sdl:cxts><trans-unit id="b" mq:status="NotStarted">
<source><g id="1">Ein Haus.</g></source><seg-source><g id="1"><mrk mtype="seg" mid="1">Ein Haus.</mrk></g></seg-source>
<sdl:seg-defs><sdl:seg id="1" conf="Draft"/></sdl:seg-defs><mq:x>Ein Haus.</mq:x>
</trans-unit></group></body></file></xliff>"""


def test_elements_of_other_programs_are_kept(tmp_path):
    written, _ = result(tmp_path, TOOLS)
    target = f'\n<target{STATES}><g id="1"><mrk mtype="seg" mid="1">EIN HAUS.</mrk></g></target>'
    assert written == TOOLS.replace("</seg-source>", f"</seg-source>{target}")


def test_translate_toolkit_reads_the_targets(tmp_path):
    xliff = pytest.importorskip("translate.storage.xliff")
    unit = '<trans-unit id="{0}"><source>wort {0} <x id="1"/>&amp; mehr</source></trans-unit>'
    written, _ = result(tmp_path, one("".join(map(unit.format, range(3))), 'original="a"'))
    store = xliff.xlifffile.parsestring(written.encode())
    assert [str(one.target) for one in store.units] == [f"WORT {n} & MEHR" for n in range(3)]
    assert [one.isapproved() for one in store.units] == [False] * 3
    assert store.gettargetlanguage() == "en"


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [
        (
            "1",
            lambda text: one(
                f'<trans-unit id="1" xml:space="preserve"><source>{text}</source></trans-unit>'
            ),
        ),
        ("2", lambda text: two(f'<unit id="1"><segment><source>{text}</source></segment></unit>')),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), translate=st.sampled_from([upper, careful, reversed_words]))
def test_any_content_keeps_its_codes(kind, wrap, data, translate):
    content = data.draw(contents(kind))
    text = wrap(content)
    document = XliffDocument.parse(text, ReadOptions("de", "en"))
    assert document.write([]) == text
    outcomes = translate_segments(document, document.segments, translate, Settings())
    changed = [Translated(one.segment, one.pieces) for one in outcomes if one.pieces is not None]
    written = document.write(changed)
    root = etree.fromstring(written.encode())
    sources = root.findall(".//{*}source")
    assert etree.tostring(sources[0], with_tail=False) == etree.tostring(
        etree.fromstring(text.encode()).find(".//{*}source"), with_tail=False
    )
    target = root.find(".//{*}target")
    assert (target is not None) == (written != text)
    if target is not None:
        assert codes_of(target) == codes_of(sources[0])
        kept = [
            n.text for n in sources[0].iterdescendants("{*}mrk") if n.get("mtype") == "protected"
        ]
        new = [n.text for n in target.iterdescendants("{*}mrk") if n.get("mtype") == "protected"]
        assert sorted(kept) == sorted(new)


def test_deep_and_large_content(tmp_path):
    deep = "<g id='1'>" * 190 + "wort" + "</g>" * 190
    marks = "<x id='1'/>" * 3000 + "wort" * 10_000 + "<sm id='2' translate='no'/>" * 3000
    units = [deep, marks, "<ph id='1'><sub>wort</sub></ph>" * 300]
    text = "".join(
        f'<trans-unit id="{n}"><source>{unit}</source></trans-unit>' for n, unit in enumerate(units)
    )
    begin = time.perf_counter()
    written, report = result(tmp_path, one(text))
    assert time.perf_counter() - begin < 10
    assert report.n_segments == 2 + 300
    assert written.count("<target") == 3 and "<g id='1'>" * 190 + "WORT" in written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a/>", "not XLIFF: it begins with <a>"),
        (HEAD, "line 1: not well-formed XML"),
        (f"<!DOCTYPE xliff [<!ENTITY a 'b'>]>{HEAD}</xliff>", "the DOCTYPE has declarations"),
        (one("<trans-unit id='1'/>\n<trans-unit id='1'/>"), "line 2: a second unit has the id 1"),
        (two("<unit id='1'/>\n<unit id='1'/>"), "line 2: a second unit has the id 1"),
        (one("<group>" * 300), "nested deeper"),
        (one(""), "has no text to translate"),
    ],
)
def test_errors(tmp_path, text, message):
    with pytest.raises(MtkitError, match=re.escape(message)) as caught:
        translated(tmp_path, "x.xlf", text, identity, **LANGS)
    assert caught.value.hint


def test_encodings(tmp_path):
    unit = '<trans-unit id="1"><source>Grüße</source></trans-unit>'
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?>\n{one(unit)}'
    data, _ = translated(
        tmp_path, "x.xlf", text.encode("latin-1"), lambda texts: ["한국 ÄÖ" for _ in texts], **LANGS
    )
    root = etree.fromstring(data)
    assert root.findtext(".//a:target", namespaces=NS) == "한국 ÄÖ"
    with pytest.raises(MtkitError, match="not valid utf-8"):
        translated(tmp_path, "x.xlf", text.replace("ISO-8859-1", "utf-8").encode("latin-1"), upper)

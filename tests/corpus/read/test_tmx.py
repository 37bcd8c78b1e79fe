import gzip
import logging
import re
import tracemalloc
from itertools import chain, repeat
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs
from mtkit.corpus.read.tmx import tmx_pairs
from mtkit.corpus.sentence_pair import SideSpec
from mtkit.errors import MtkitError
from tests.strategies import nasty_text

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4"><header srclang="ko"/><body>'
TAIL = "</body></tmx>"

xml_text = nasty_text.map(
    lambda text: re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
)


def pairs_of(path, content=None, *, src_lang="ko", tgt_lang="en", **settings):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = CorpusSource(file=path, **settings)
    return list(
        read_pairs(source, DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,)))
    )


def unit(**texts):
    variants = (f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in texts.items())
    return f"<tu>{''.join(variants)}</tu>"


@given(
    pairs=st.lists(st.tuples(xml_text, xml_text), max_size=5),
    encoding=st.sampled_from(["utf-8", "utf-16", "us-ascii"]),
)
def test_output_of_elementtree_is_read(tmp_path_factory, pairs, encoding):
    root = ElementTree.Element("tmx", version="1.4")
    ElementTree.SubElement(root, "header", srclang="*all*")
    body = ElementTree.SubElement(root, "body")
    for pair in pairs:
        tu = ElementTree.SubElement(body, "tu")
        for lang, text in zip(("ko", "en"), pair, strict=True):
            tuv = ElementTree.SubElement(tu, "tuv", {"xml:lang": lang})
            ElementTree.SubElement(tuv, "seg").text = text
    content = ElementTree.tostring(root, encoding, xml_declaration=True)
    expected = [tuple(re.sub("[\r\n]+", " ", text) for text in pair) for pair in pairs]
    assert pairs_of(tmp_path_factory.getbasetemp() / "nasty.tmx", content) == expected


def test_a_file_as_tools_write_it(tmp_path):
    content = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "http://localhost:1/tmx14.dtd">
<tmx version="1.4">
  <header srclang="EN-US" datatype="html"><prop type="x">no text</prop></header>
  <body>
    <!-- <tu> -->
    <tu tuid="1"><note>no text</note>
      <tuv xml:lang="EN-US"><prop type="y">no text</prop><seg>Press <bpt i="1">&lt;b&gt;</bpt>the <hi>red</hi> &amp; big<ept i="1">&lt;/b&gt;</ept>
button<ph>&lt;img alt="<sub>no <hi>text</hi></sub>"/&gt;</ph>.<it pos="end">x</it><ut>y</ut> &#x41;<![CDATA[<z>]]></seg></tuv>
      <tuv lang="ko-KR"><seg>큰 빨간 단추를 누르세요.</seg></tuv>
      <tuv xml:lang="ko_KP"><seg>다른 글</seg></tuv>
    </tu>
  </body>
</tmx>"""
    expected = [
        ("큰 빨간 단추를 누르세요.", 'Press the red & big button<img alt="no text"/>. A<z>')
    ]
    assert pairs_of(tmp_path / "a.tmx", content) == expected
    assert pairs_of(tmp_path / "a.tmx.gz", gzip.compress(content.encode())) == expected
    assert pairs_of(tmp_path / "a.tmx", content, src_lang="KO-kp")[0][0] == "다른 글"


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ("to school <ph>{name}</ph>.", "to school {name}."),
        ("to school <ph x='1' type='var'>%s</ph>.", "to school %s."),
        ("one<ph>&lt;br/&gt;</ph>two", "one<br/>two"),
        ("to school <ph/>.", "to school."),
        ("to school <ph x='1'/> now", "to school now"),
        ("one<ph/>two", "one two"),
        ("Press <bpt i='1'>&lt;b&gt;</bpt>OK<ept i='1'>&lt;/b&gt;</ept>.", "Press OK."),
        ("H<bpt i='1'>&lt;sub&gt;</bpt>2<ept i='1'>&lt;/sub&gt;</ept>O", "H2O"),
        ("see <bpt i='1'>{1}</bpt> this <ept i='1'>{1}</ept> one", "see this one"),
        ("Press <it pos='begin'>&lt;b&gt;</it>, please", "Press, please"),
        ("go <ut>{\\b </ut> <ut>}</ut>!", "go!"),
        ("to <ut>{name}</ut> and <it pos='begin'>%s</it>.", "to {name} and %s."),
        ("a <hi type='b'>red</hi> car", "a red car"),
        ("a <hi/> car", "a car"),
        ("(<it pos='end'>x</it> no)", "(no)"),
        ("<ut>x</ut> Yes <ut>y</ut>", "Yes"),
        ("a <x id='1'/> b <g id='2'>c</g> <mrk>d</mrk>", "a b c d"),
        ("text<ph>&lt;fn&gt;<sub>A <hi>note</hi>.</sub>&lt;/fn&gt;</ph>", "text<fn>A note.</fn>"),
        ("text <bpt i='1'>&lt;a title='<sub>no</sub>'&gt;</bpt>link<ept i='1'/>", "text link"),
        ("two  spaces . stay", "two  spaces . stay"),
    ],
)
def test_placeholders_are_kept_and_formatting_leaves_no_gap(tmp_path, segment, text):
    assert pairs_of(tmp_path / "a.tmx", HEAD + unit(ko="가", en=segment) + TAIL) == [("가", text)]


def test_holes_are_closed_as_the_language_does(tmp_path):
    content = HEAD + unit(ja="一<ph/>二", fr="Oui <it pos='begin'>x</it>! Non <ut>y</ut>.") + TAIL
    assert pairs_of(tmp_path / "a.tmx", content, src_lang="ja", tgt_lang="fr") == [
        ("一二", "Oui ! Non.")
    ]


def test_choices_are_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    several = '<tu><tuv xml:lang="en"><seg>a</seg></tuv><tuv xml:lang="en"><seg>b</seg></tuv><tuv xml:lang="ko-KR"><seg>가</seg></tuv></tu>'
    content = (
        HEAD
        + several
        + unit(ko="나", en_US="c", en_GB="c")
        + unit(ko="다 <ph/>", en="d")
        + unit(en="e")
        + TAIL
    )
    path = tmp_path / "a.tmx"
    assert pairs_of(path, content) == [("가", "a"), ("나", "c"), ("다", "d")]
    messages = [
        f"{path}: 1 of 4 units are skipped: 1 without ko",
        f"{path}: 1 unit has several segments in en; the first is used",
        f"{path}: ko is ko-kr in 1 of 4 units",
        f"{path}: en is en-us in 1 of 4 units",
        f"{path}: 1 unit has placeholders without text, which are omitted",
    ]
    assert caplog.messages == messages
    pairs_of(path)
    assert caplog.messages == messages, "said once, however often the file is read"


def test_without_languages_those_of_the_file_are_named(tmp_path):
    content = HEAD + unit(en="a", de="b") * 2 + unit(en="c", fr="d") + TAIL
    for langs, message in (
        (
            ("und", "und"),
            "the languages to read are unknown; its languages: en (3), de (2), fr (1)",
        ),
        (("de", "und"), "the languages to read are unknown"),
        (("de", "fr"), "no unit in both de and fr; its languages: en (3), de (2), fr (1)"),
    ):
        with pytest.raises(MtkitError, match=re.escape(message)) as caught:
            pairs_of(tmp_path / "a.tmx", content, src_lang=langs[0], tgt_lang=langs[1])
        assert "--src-lang en --tgt-lang de" in caught.value.hint


def test_bytes_that_are_not_utf8_get_a_hint_at_their_encoding(tmp_path):
    content = (
        HEAD.replace(' encoding="UTF-8"', "")
        + unit(ko="나는 학교에 간다.", en="I go to school.")
        + TAIL
    )
    with pytest.raises(MtkitError, match="broken XML") as caught:
        pairs_of(tmp_path / "a.tmx", content.encode("cp949"))
    assert "CP949" in caught.value.hint
    with pytest.raises(MtkitError, match="cannot be read") as caught:
        pairs_of(
            tmp_path / "a.tmx", content.replace("1.0", '1.0" encoding="EUC-KR', 1).encode("cp949")
        )
    assert "iconv" in caught.value.hint


def test_languages_are_matched_exactly_before_by_region(tmp_path):
    content = (
        HEAD
        + unit(en_GB="colour", EN="color", ko="색", eng="no")
        + unit(en_GB="lorry", en_US="truck", ko="트럭")
        + TAIL
    )
    assert pairs_of(tmp_path / "a.tmx", content) == [("색", "color"), ("트럭", "lorry")]
    assert pairs_of(tmp_path / "a.tmx", content, src_lang="en-us", tgt_lang="ko") == [
        ("truck", "트럭")
    ]


def test_units_without_both_languages_are_skipped_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    content = (
        HEAD + unit(ko="가", en="a") + unit(ko="나", de="b") + "<tu/>" + unit(ko="", en="") + TAIL
    )
    assert pairs_of(tmp_path / "a.tmx", content) == [("가", "a"), ("", "")]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/a.tmx: 2 of 4 units are skipped: 2 without en, 1 without ko"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            HEAD + unit(ko="가", de="a") + unit(fr="b") + TAIL,
            r"no unit in both ko and en; its languages: ko \(1\), de \(1\), fr \(1\)",
        ),
        (HEAD + unit(ko="가", en="a"), "broken XML: no element found: line 2"),
        (HEAD + "<tu><seg></tu>", "broken XML: mismatched tag"),
        ("", "broken XML: no element found"),
        ("ko\ten\n", "broken XML: syntax error: line 1"),
        ("<html><body/></html>", "not TMX: it begins with <html>"),
        (b'<?xml version="1.0" encoding="klingon"?><tmx/>', "klingon|unknown encoding"),
        (b"<tmx><body><tu>\xff</tu>", "broken XML: not well-formed"),
        (gzip.compress(b"<tmx></tmx>", mtime=0)[:-3], "broken gzip"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    with pytest.raises(MtkitError, match=message) as caught:
        pairs_of(tmp_path / "a.tmx", content)
    assert "a.tmx`" in caught.value.message
    assert caught.value.hint


LAUGHS = '<!ENTITY l0 "ha">' + "".join(
    '<!ENTITY l{} "{}">'.format(i, f"&l{i - 1};" * 10) for i in range(1, 12)
)


@pytest.mark.parametrize(
    "declarations",
    [
        LAUGHS,
        '<!ENTITY l11 "a">',
        '<!ENTITY l11 SYSTEM "{secret}">',
        '<!ENTITY % far SYSTEM "{secret}"> %far;',
        '<!ENTITY l11 PUBLIC "x" "http://localhost:1/x">',
    ],
)
def test_entities_are_refused(tmp_path, declarations):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    doctype = f"<!DOCTYPE tmx [{declarations.replace('{secret}', str(tmp_path / 'secret'))}]>"
    with pytest.raises(
        MtkitError, match=r"line 1 declares or uses the entity .*entities are not supported"
    ):
        pairs_of(tmp_path / "a.tmx", f"{doctype}<tmx><body>{unit(ko='가', en='&l11;')}{TAIL}")


@pytest.mark.parametrize("doctype", ["", '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'])
def test_externally_declared_entity_is_not_silently_dropped(tmp_path, doctype):
    (tmp_path / "tmx14.dtd").write_text('<!ENTITY nbsp "x">', encoding="utf-8")
    with pytest.raises(MtkitError, match="entity"):
        pairs_of(tmp_path / "a.tmx", f"{doctype}<tmx><body>{unit(ko='가', en='a&nbsp;b')}{TAIL}")


def test_columns_are_not_for_tmx(tmp_path):
    with pytest.raises(MtkitError, match="tgt_column is set, but TMX has languages") as caught:
        pairs_of(tmp_path / "a.tmx", HEAD + TAIL, tgt_column="en")
    assert "set tgt_lang" in caught.value.hint
    assert pairs_of(tmp_path / "a.tmx", HEAD + TAIL) == []


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    block = unit(ko="가" * 500, en="a" * 500).encode() * 50
    n_blocks = 50_000_000 // len(block)
    blocks = (block for block in chain([HEAD.encode()], repeat(block, n_blocks), [TAIL.encode()]))
    monkeypatch.setattr("mtkit.corpus.read.tmx.read_blocks", lambda *_, **__: blocks)
    tracemalloc.start()
    try:
        n_pairs = sum(
            1
            for _ in tmx_pairs(
                tmp_path / "a.tmx",
                "a.tmx",
                (SideSpec("src_column", None, "ko"), SideSpec("tgt_column", None, "en")),
            )
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_pairs == 50 * n_blocks
    assert peak < 2_000_000

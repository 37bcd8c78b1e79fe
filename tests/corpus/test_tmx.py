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
from mtkit.corpus.pairs import Side, read_pairs
from mtkit.corpus.tmx import tmx_pairs
from mtkit.errors import MtkitError
from tests.strategies import nasty_text

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4"><header srclang="ko"/><body>'
TAIL = "</body></tmx>"

xml_text = nasty_text.map(lambda text: re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))


def pairs_of(path, content, *, src_lang="ko", tgt_lang="en", **settings):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = CorpusSource(file=path, **settings)
    return list(read_pairs(source, DataConfig(src_lang=src_lang, tgt_lang=tgt_lang, train=(source,))))


def unit(**texts):
    variants = (f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in texts.items())
    return f"<tu>{''.join(variants)}</tu>"


@given(pairs=st.lists(st.tuples(xml_text, xml_text), max_size=5), encoding=st.sampled_from(["utf-8", "utf-16", "us-ascii"]))
def test_what_elementtree_writes_is_read(tmp_path_factory, pairs, encoding):
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
    expected = [("큰 빨간 단추를 누르세요.", "Press the red & big button. A<z>")]
    assert pairs_of(tmp_path / "a.tmx", content) == expected
    assert pairs_of(tmp_path / "a.tmx.gz", gzip.compress(content.encode())) == expected
    assert pairs_of(tmp_path / "a.tmx", content, src_lang="KO-kp")[0][0] == "다른 글"


def test_languages_are_matched_exactly_before_by_region(tmp_path):
    content = HEAD + unit(en_GB="colour", EN="color", ko="색", eng="no") + unit(en_GB="lorry", en_US="truck", ko="트럭") + TAIL
    assert pairs_of(tmp_path / "a.tmx", content) == [("색", "color"), ("트럭", "lorry")]
    assert pairs_of(tmp_path / "a.tmx", content, src_lang="en-us", tgt_lang="ko") == [("truck", "트럭")]


def test_units_without_both_languages_are_skipped_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mtkit")
    content = HEAD + unit(ko="가", en="a") + unit(ko="나", de="b") + "<tu/>" + unit(ko="", en="") + TAIL
    assert pairs_of(tmp_path / "a.tmx", content) == [("가", "a"), ("", "")]
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}/a.tmx: 2 of 4 units lack ko or en and are left out"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + unit(ko="가", de="a") + unit(fr="b") + TAIL, "has no unit in both ko and en; its languages are de, fr, ko"),
        (HEAD + unit(ko="가", en="a"), "broken XML: no element found: line 2"),
        (HEAD + "<tu><seg></tu>", "broken XML: mismatched tag"),
        ("", "broken XML: no element found"),
        ("ko\ten\n", "broken XML: syntax error: line 1"),
        ("<html><body/></html>", "no TMX: it begins with <html>"),
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


LAUGHS = '<!ENTITY l0 "ha">' + "".join('<!ENTITY l{} "{}">'.format(i, f"&l{i - 1};" * 10) for i in range(1, 12))


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
    with pytest.raises(MtkitError, match=r"line 1 declares or uses the entity .*entities are not read"):
        pairs_of(tmp_path / "a.tmx", f"{doctype}<tmx><body>{unit(ko='가', en='&l11;')}{TAIL}")


@pytest.mark.parametrize("doctype", ["", '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'])
def test_an_entity_that_is_declared_elsewhere_is_not_dropped_in_silence(tmp_path, doctype):
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
    monkeypatch.setattr("mtkit.corpus.tmx.read_blocks", lambda *_, **__: blocks)
    tracemalloc.start()
    try:
        n_pairs = sum(1 for _ in tmx_pairs(tmp_path / "a.tmx", "a.tmx", (Side("src_column", None, "ko"), Side("tgt_column", None, "en"))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_pairs == 50 * n_blocks
    assert peak < 2_000_000

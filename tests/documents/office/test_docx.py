"""docx: what is translated and what is not, against python-docx and lxml."""

import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.office.wordprocessing import BOUND, FIELDS_KEPT, RUBY
from mtkit.documents.translation.segment_request import TAGS_BY_POSITION
from mtkit.errors import MtkitError
from tests.documents.office.packages import W, changed_members, docx, member, open_xml, tree
from tests.documents.translating import identity, reversed_words, translated, upper

python_docx = pytest.importorskip("docx")


def run(text, properties="", tag="t"):
    space = ' xml:space="preserve"' if text != text.strip() else ""
    properties = properties and f"<w:rPr>{properties}</w:rPr>"
    return f"<w:r>{properties}<w:{tag}{space}>{text}</w:{tag}></w:r>"


def paragraph(*content):
    return f"<w:p>{''.join(content)}</w:p>"


def body(tmp_path, *content, translate=upper, **options):
    """Translate a paragraph, and return the content of it."""
    data = docx(paragraph(*content))
    out, report = translated(tmp_path, "a.docx", data, translate, **options)
    xml = member(out, "word/document.xml")
    tree(out, "word/document.xml")
    return xml.split("<w:p>", 1)[1].rpartition("</w:p>")[0], report


@pytest.fixture(scope="module")
def report_docx():
    """A document by python-docx, with most kinds of parts."""
    document = python_docx.Document()
    document.add_heading("Yearly report", 1)
    document.add_paragraph("First item", style="List Bullet")
    paragraph = document.add_paragraph("Profit rose by ")
    paragraph.add_run("ten percent").bold = True
    paragraph.add_run(" in 2024, & more.")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Name", "Sum", "Smith", "1,000"], strict=True):
        cell.text = text
    document.sections[0].header.paragraphs[0].text = "Top secret"
    document.sections[0].footer.paragraphs[0].text = "Page"
    document.core_properties.title = "A title"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def texts(data):
    document = python_docx.Document(io.BytesIO(data))
    section = document.sections[0]
    return [
        *(one.text for one in document.paragraphs),
        *(cell.text for table in document.tables for cell in table._cells),
        section.header.paragraphs[0].text,
        section.footer.paragraphs[0].text,
    ]


def test_an_identity_changes_no_byte(tmp_path, report_docx):
    out, report = translated(
        tmp_path, "a.docx", report_docx, identity, src_lang="en", tgt_lang="he"
    )
    assert out == report_docx
    assert (report.format, report.n_segments, report.n_changed) == ("docx", 8, 0)


def test_every_text_is_translated_once(tmp_path, report_docx):
    out, report = translated(tmp_path, "a.docx", report_docx, upper)
    assert texts(out) == [text.upper() for text in texts(report_docx)]
    assert changed_members(report_docx, out) == [
        *("word/document.xml", "word/header1.xml", "word/footer1.xml"),
    ]
    assert report.fallbacks == {TAGS_BY_POSITION: 1}
    assert report.listed[0].part == "word/document.xml"
    runs = python_docx.Document(io.BytesIO(out)).paragraphs[2].runs
    assert [(one.text, one.bold) for one in runs if one.text] == [
        *(("PROFIT ROSE BY ", None), ("TEN PERCENT", True), (" IN 2024, & MORE.", None)),
    ]


def test_the_language_is_marked(tmp_path, report_docx):
    lang = f"{{{W}}}lang"
    for code, attribute, value in (("de", "val", "de-DE"), ("ko", "eastAsia", "ko-KR")):
        out, _ = translated(tmp_path, "a.docx", report_docx, upper, src_lang="en", tgt_lang=code)
        (mark,) = tree(out, "word/styles.xml").iter(lang)
        assert mark.get(f"{{{W}}}{attribute}") == value


def test_the_direction_is_marked(tmp_path):
    source = paragraph(
        "<w:pPr><w:jc w:val='center'/></w:pPr>", run("One "), run("two", "<w:b/>"), run("!")
    )
    data = docx(source)
    hebrew, _ = translated(tmp_path, "a.docx", data, upper, src_lang="en", tgt_lang="he")
    root = tree(hebrew, "word/document.xml")
    (properties,) = root.iter(f"{{{W}}}pPr")
    assert [one.tag.split("}")[1] for one in properties] == ["bidi", "jc"]
    assert all(one.find(f"{{{W}}}rPr/{{{W}}}rtl") is not None for one in root.iter(f"{{{W}}}r"))
    back, _ = translated(tmp_path, "b.docx", hebrew, str_lower, src_lang="he", tgt_lang="en")
    names = {one.tag.split("}")[1] for one in tree(back, "word/document.xml").iter()}
    assert not names & {"rtl", "bidi"}


def str_lower(texts):
    return [text.lower() for text in texts]


def test_runs_of_equal_formatting_are_one(tmp_path):
    out, report = body(
        tmp_path,
        '<w:r w:rsidR="1"><w:rPr><w:b/><w:lang w:val="en-US"/></w:rPr><w:t>Hel</w:t></w:r>',
        '<w:proofErr w:type="spellStart"/>',
        run("lo", "<w:b/>"),
        '<w:r w:rsidR="2"><w:rPr><w:noProof/><w:b/></w:rPr><w:t xml:space="preserve"> you</w:t></w:r>',
    )
    assert out == (
        '<w:r w:rsidR="1"><w:rPr><w:b/><w:lang w:val="en-US"/></w:rPr><w:t>HELLO YOU</w:t></w:r>'
    )
    assert report.fallbacks == {}


def test_white_space_at_a_new_end_of_a_text_is_kept(tmp_path):
    """`xml:space` is added to a text that had no need of it."""
    data = docx(paragraph(run("One"), run(" two", "<w:b/>"), run(" three")))
    out, _ = translated(tmp_path, "a.docx", data, reversed_words)
    found = list(tree(out, "word/document.xml").iter(f"{{{W}}}t"))
    assert "".join(text.text for text in found) == "three two One"
    for text in found:
        kept = text.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
        assert kept or text.text == text.text.strip()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (  # a tab and a line break separate segments
            "<w:r><w:t>One:</w:t><w:tab/><w:t>two</w:t><w:br/><w:t> 3</w:t></w:r>",
            "<w:r><w:t>ONE:</w:t><w:tab/><w:t>TWO</w:t><w:br/><w:t> 3</w:t></w:r>",
        ),
        (
            f'<w:hyperlink r:id="x">{run("A link", "<w:u/>")}</w:hyperlink>',
            f'<w:hyperlink r:id="x">{run("A LINK", "<w:u/>")}</w:hyperlink>',
        ),
        (  # tracked changes
            f'<w:ins w:id="1">{run("New")}</w:ins><w:del w:id="2">{run("old", tag="delText")}</w:del>',
            f'<w:ins w:id="1">{run("NEW")}</w:ins><w:del w:id="2">{run("old", tag="delText")}</w:del>',
        ),
        (  # what is not text
            f"{run('A')}<w:r><w:sym/></w:r><w:bookmarkStart w:id='1'/>{run(' b')}",
            f"<w:r><w:t>A</w:t><w:sym/></w:r><w:bookmarkStart w:id='1'/>{run(' B')}",
        ),
        (run("a &lt; b &amp; c &#169;"), run("A &lt; B &amp; C ©")),
        (
            f"<w:sdt><w:sdtPr/><w:sdtContent>{run('Text')}</w:sdtContent></w:sdt>{run(' more')}",
            f"<w:sdt><w:sdtPr/><w:sdtContent>{run('TEXT')}</w:sdtContent></w:sdt>{run(' MORE')}",
        ),
    ],
)
def test_inline_elements(tmp_path, content, expected):
    assert body(tmp_path, content)[0] == expected


def test_a_range_encloses_the_same_words(tmp_path):
    start, end = '<w:commentRangeStart w:id="7"/>', '<w:commentRangeEnd w:id="7"/>'
    content = (run("We sell "), start, run("red cars"), end, run(" today"))
    out, _ = body(tmp_path, *content, translate=reversed_words)
    assert "cars red" in out.split(start)[1].split(end)[0]


def test_a_text_with_elements_in_it_is_kept(tmp_path):
    content = f"<w:r><w:t>one{run('two')}</w:t></w:r>"
    assert body(tmp_path, content, run(" three"))[0] == content + run(" THREE")


def test_overlapping_ranges_end_after_they_begin(tmp_path):
    marks = [f'<w:bookmark{one} w:id="{i}"/>' for one in ("Start", "End") for i in (1, 2)]
    words = [run(f"{word} ") for word in ("We", "sell", "red", "cars")]
    content = [part for pair in zip(words, marks, strict=True) for part in pair]
    out, _ = body(tmp_path, *content, run("today"), translate=reversed_words)
    places = [out.index(mark) for mark in marks]
    assert places[0] < places[2] and places[1] < places[3]


def field(instruction, result):
    def char(kind):
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    text = f"<w:r><w:instrText>{instruction}</w:instrText></w:r>"
    return f"{char('begin')}{text}{char('separate')}{result}{char('end')}"


def test_results_of_fields(tmp_path):
    link = field(' HYPERLINK "http://x.y/a" ', run("a link"))
    out, _ = body(
        tmp_path, run("See "), link, run(" on page "), field("PAGE", run("three")), run("!")
    )
    assert out == run("SEE ") + link.replace("a link", "A LINK") + run(" ON PAGE ") + field(
        "PAGE", run("three")
    ) + run("!")
    simple = f'<w:fldSimple w:instr=" NUMPAGES ">{run("9")}</w:fldSimple>'
    out, _ = body(tmp_path, run("All of "), simple, run(" pages"))
    assert out == run("ALL OF ") + simple + run(" PAGES")
    simple = f'<w:fldSimple w:instr=" REF x ">{run("chapter")}</w:fldSimple>'
    assert body(tmp_path, simple)[0] == simple.replace("chapter", "CHAPTER")


def test_a_field_over_several_paragraphs(tmp_path):
    first, rest = field("TOC", run("|")).split(run("|"))
    for name, is_translated in (("TOC", True), ("BIBLIOGRAPHY", False)):
        content = (
            paragraph(first.replace("TOC", name), run("One"))
            + paragraph(run("Two"))
            + paragraph(rest)
            + paragraph(run("Three"))
        )
        data = docx(content)
        out, report = translated(tmp_path, "a.docx", data, upper)
        expected = content.replace("Three", "THREE")
        if is_translated:
            expected = expected.replace("One", "ONE").replace("Two", "TWO")
        assert expected in member(out, "word/document.xml")
        assert report.fallbacks == ({} if is_translated else {FIELDS_KEPT: 1})


def test_a_field_within_one_run_is_kept(tmp_path):
    content = (
        '<w:r><w:t>Page </w:t><w:fldChar w:fldCharType="begin"/><w:instrText>PAGE</w:instrText>'
        '<w:fldChar w:fldCharType="separate"/><w:t>three</w:t><w:fldChar w:fldCharType="end"/></w:r>'
    )
    out, report = body(tmp_path, content, run("rest"))
    assert out == content + run("REST")
    assert report.fallbacks == {FIELDS_KEPT: 1}


def test_text_boxes_and_alternative_texts(tmp_path):
    inner = paragraph(run("Inner "), run("box", "<w:b/>"))
    box = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:inline>'
        '<wp:docPr id="1" name="Box 1" descr="A &quot;big&quot; box"/>'
        f"<w:txbxContent>{inner}</w:txbxContent></wp:inline></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox><w:txbxContent>{inner}</w:txbxContent></v:textbox></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )
    out, report = body(tmp_path, run("Outer "), box, run("text"))
    changes = {"Inner": "INNER", ">box": ">BOX", "A &quot;big&quot; box": "A &quot;BIG&quot; BOX"}
    for before, after in changes.items():
        box = box.replace(before, after)
    assert box.removeprefix("<w:r>").removesuffix("</w:r>") in out
    assert report.n_segments == 4


def test_what_is_kept_is_counted(tmp_path):
    bound = (
        f"<w:sdt><w:sdtPr><w:dataBinding/></w:sdtPr><w:sdtContent>{run('x')}</w:sdtContent></w:sdt>"
    )
    out, report = body(tmp_path, run("One"), bound, run("two"))
    assert out == run("ONE") + bound + run("TWO")
    assert report.fallbacks == {BOUND: 1}
    ruby = f"<w:ruby><w:rubyBase>{run('x')}</w:rubyBase></w:ruby>"
    out, report = body(tmp_path, run("One "), f"<w:r>{ruby}</w:r>", run(" two"))
    assert out == run("ONE ").removesuffix("</w:r>") + ruby + run(" TWO").removeprefix("<w:r>")
    assert report.fallbacks[RUBY] == 1


def test_all_parts_with_text(tmp_path):
    parts = ["header", "footer", "footnotes", "endnotes", "comments"]
    data = docx("<w:p/>", **{kind: paragraph(run(kind)) for kind in parts}, settings="<w:p/>")
    out, report = translated(tmp_path, "a.docx", data, upper)
    assert changed_members(data, out) == [f"word/{kind}.xml" for kind in parts]
    assert report.n_segments == 5


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (docx(paragraph(run("2024"))), "a.docx", "has no text to translate, read as docx"),
        (docx("<w:p>"), "a.docx", r"a\.docx: word/document\.xml`: line 1: not well-formed"),
        (docx(paragraph(run("x"))), "a.pptx", "is docx, not pptx"),
        (open_xml("", [("a.xml", "", "<a/>")]), "a.docx", "known format"),
        (b"Hello", "a.docx", "is not a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "a.docx", "is encrypted, or a document"),
    ],
)
def test_errors(tmp_path, data, name, message):
    with pytest.raises(MtkitError, match=message):
        translated(tmp_path, name, data, upper)
    assert not (tmp_path / f"out-{name}").exists()


def test_entities_are_refused(tmp_path):
    xml = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;">]>'
    kind = "vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    data = open_xml(kind, [("word/document.xml", kind, f'{xml}<w:p xmlns:w="{W}">&c;</w:p>')])
    with pytest.raises(MtkitError, match="DOCTYPE has declarations"):
        translated(tmp_path, "a.docx", data, upper)


def test_a_document_is_recognized_by_its_content(tmp_path, report_docx):
    assert translated(tmp_path, "report", report_docx, upper)[1].format == "docx"


FORMATS = st.sampled_from(["", "<w:b/>", "<w:i/>", "<w:b/><w:i/>"])


@st.composite
def nodes(draw, words, depth=2):
    """Draw the content of a paragraph; each word occurs once."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["run"] * 4 + ["hyperlink", "ins", "empty", "break", "inline"]))
        if kind == "run":
            text = " ".join(words() for _ in range(draw(st.integers(1, 3))))
            left, right = draw(st.sampled_from(["", " ", " "])), draw(st.sampled_from(["", " "]))
            parts.append(run(f"{left}{text}{right}", draw(FORMATS)))
        elif kind in ("hyperlink", "ins") and depth:
            inner = draw(nodes(words, depth - 1))
            parts.append(f'<w:{kind} w:id="{words()}">{inner}</w:{kind}>')
        elif kind == "break":
            parts.append(f'<w:r><w:br w:id="{words()}"/></w:r>')
        elif kind == "inline":
            parts.append(f'<w:r><w:b/><w:sym w:id="{words()}"/></w:r>')
        else:
            parts.append(f'<w:bookmarkStart w:id="{words()}"/>')
    return "".join(parts)


@st.composite
def paragraphs(draw):
    numbers = iter(range(10**6))
    return draw(nodes(lambda: f"w{next(numbers)}x"))


def contexts(root):
    """Return for each character of a word the elements around it, in order of the document."""
    found = []
    for text in root.iter(f"{{{W}}}t"):
        run = text.getparent()
        around = [one.get(f"{{{W}}}id") for one in run.iterancestors() if one.get(f"{{{W}}}id")]
        properties = run.find(f"{{{W}}}rPr")
        style = () if properties is None else tuple(one.tag for one in properties)
        found += [(char, tuple(around), style) for char in text.text or "" if not char.isspace()]
    return found


def ids(root):
    return [one.get(f"{{{W}}}id") for one in root.iter() if one.get(f"{{{W}}}id")]


@settings(max_examples=40, deadline=None)
@given(paragraphs())
def test_all_nestings_of_runs(tmp_path_factory, content):
    """Words keep their formatting and the elements around them, in any order of words."""
    tmp_path = tmp_path_factory.mktemp("nestings")
    data = docx(paragraph(content) + paragraph(run("text")))
    before = tree(data, "word/document.xml")
    out, _ = translated(tmp_path, "a.docx", data, identity)
    assert out == data
    out, report = translated(tmp_path, "a.docx", data, reversed_words)
    after = tree(out, "word/document.xml")
    assert sorted(ids(after)) == sorted(ids(before))
    if TAGS_BY_POSITION not in report.fallbacks and not has_split_words(before):
        assert sorted(contexts(after)) == sorted(contexts(before))
    else:
        assert sorted(one[0] for one in contexts(after)) == sorted(
            one[0] for one in contexts(before)
        )


def has_split_words(root):
    """Return whether a word is in several runs, so that it has no formatting of its own."""
    texts = [text.text for text in root.iter(f"{{{W}}}t")]
    return any(a[-1] != " " and b[0] != " " for a, b in pairwise(texts))

"""odt, ods and odp: what is translated and what is not, against odfpy."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.office.spreadsheet import KEPT
from mtkit.documents.translation.segment_request import TAGS_BY_POSITION
from mtkit.errors import MtkitError
from tests.documents.office.packages import changed_members, member, package, tree
from tests.documents.translating import identity, reversed_words, translated, upper

odf = pytest.importorskip("odf")
from odf import draw, style, table, teletype, text  # noqa: E402
from odf.opendocument import (  # noqa: E402
    OpenDocumentPresentation,
    OpenDocumentSpreadsheet,
    OpenDocumentText,
    load,
)

NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "style", "drawing")
)
MIME = "application/vnd.oasis.opendocument"
FO = "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"


def saved(document):
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def letter():
    document: Any = OpenDocumentText()
    bold = style.Style(name="B", family="text")
    bold.addElement(style.TextProperties(fontweight="bold", language="en", country="US"))
    document.automaticstyles.addElement(bold)
    document.text.addElement(text.H(outlinelevel=1, text="A heading"))
    paragraph = text.P(text="We sell ")
    paragraph.addElement(text.Span(stylename=bold, text="old cars"))
    paragraph.addText(" & more")
    note = text.Note(noteclass="footnote")
    note.addElement(text.NoteCitation(text="1"))
    body = text.NoteBody()
    body.addElement(text.P(text="In a note"))
    note.addElement(body)
    paragraph.addElement(note)
    document.text.addElement(paragraph)
    cars = table.Table(name="Cars")
    row = table.TableRow()
    cell = table.TableCell()
    cell.addElement(text.P(text="In a cell"))
    row.addElement(cell)
    cars.addElement(row)
    document.text.addElement(cars)
    page = style.MasterPage(name="Standard", pagelayoutname="P")
    header = style.Header()
    header.addElement(text.P(text="At the top"))
    page.addElement(header)
    document.masterstyles.addElement(page)
    return saved(document)


def paragraphs(data):
    document = load(io.BytesIO(data))
    return [
        teletype.extractText(one)
        for kind in (text.H, text.P)
        for one in document.getElementsByType(kind)
    ]


def odt(body):
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>"
        '<style:style style:name="T1" style:family="text"><style:text-properties x:rsid="1" '
        'xmlns:x="http://openoffice.org/2009/office"/></style:style></office:automatic-styles>'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    return package({"mimetype": f"{MIME}.text", "content.xml": content})


def test_an_identity_changes_no_byte(tmp_path, letter):
    out, report = translated(tmp_path, "a.odt", letter, identity, src_lang="en", tgt_lang="de")
    assert out == letter
    assert (report.format, report.n_segments) == ("odt", 5)


def test_every_text_is_translated_once(tmp_path, letter):
    out, report = translated(tmp_path, "a.odt", letter, upper)
    assert paragraphs(out) == [one.upper() for one in paragraphs(letter)]
    assert set(changed_members(letter, out)) == {"content.xml", "styles.xml"}
    assert report.fallbacks == {TAGS_BY_POSITION: 1}


def test_the_language_is_marked(tmp_path, letter):
    out, _ = translated(tmp_path, "a.odt", letter, upper, src_lang="en", tgt_lang="de")
    marks = [
        (one.get(f"{{{FO}}}language"), one.get(f"{{{FO}}}country"))
        for one in tree(out, "content.xml").iter()
        if one.get(f"{{{FO}}}language")
    ]
    assert marks == [("de", "DE")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one<text:tab/>two<text:line-break/>3", "ONE<text:tab/>TWO<text:line-break/>3"),
        ("<text:s text:c='3'/>one  two", "<text:s text:c='3'/>ONE TWO"),
        ("one <text:s/>two", "ONE TWO"),
        # spans of an editing session are not formatting
        ('<text:span text:style-name="T1">o</text:span>ne', "ONE</text:p>"),
        ('<text:span text:style-name="T1">one</text:span>', '<text:span text:style-name="T1">ONE<'),
        ("<text:a>a link</text:a>", "<text:a>A LINK</text:a>"),
        ("on page <text:page-number>three</text:page-number>", "ON PAGE "),
        ("a &lt; b &#38; c", "A &lt; B &amp; C"),
        ("<text:bookmark-ref>chapter</text:bookmark-ref>", "<text:bookmark-ref>CHAPTER"),
    ],
)
def test_inline_elements(tmp_path, content, expected):
    out, _ = translated(tmp_path, "a.odt", odt(f"<text:p>{content}</text:p>"), upper)
    tree(out, "content.xml")
    xml = member(out, "content.xml").split("<text:p>")[1]
    assert xml.startswith(expected)
    if "page-number" in content:
        assert "<text:page-number>three</text:page-number>" in xml


def test_a_range_encloses_the_same_words(tmp_path):
    start, end = '<text:bookmark-start text:name="b"/>', '<text:bookmark-end text:name="b"/>'
    content = odt(f"<text:p>We sell {start}red cars{end} today</text:p>")
    out, _ = translated(tmp_path, "a.odt", content, reversed_words)
    xml = member(out, "content.xml")
    assert f"today {start}cars red{end} sell We" in xml


def test_deleted_text_is_kept(tmp_path):
    deleted = "<text:tracked-changes><text:p>old</text:p></text:tracked-changes>"
    out, report = translated(tmp_path, "a.odt", odt(f"{deleted}<text:p>new</text:p>"), upper)
    assert f"{deleted}<text:p>NEW</text:p>" in member(out, "content.xml")
    assert report.n_segments == 1


def test_a_spreadsheet(tmp_path):
    document: Any = OpenDocumentSpreadsheet()
    sheet = table.Table(name="First sheet")
    for value, options in (
        ("A red car", {"valuetype": "string"}),
        ("open", {"valuetype": "string"}),
        ("May 5", {"valuetype": "date", "datevalue": "2024-05-05"}),
        ("yes", {"valuetype": "string", "formula": 'of:=IF([.B1]="open";"yes";"no")'}),
    ):
        row, cell = table.TableRow(), table.TableCell(**options)
        cell.addElement(text.P(text=value))
        row.addElement(cell)
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    out, report = translated(tmp_path, "a.ods", saved(document), upper)
    assert paragraphs(out) == ["A RED CAR", "open", "May 5", "yes"]
    assert (report.format, report.fallbacks) == ("ods", {KEPT: 1})


def test_a_presentation(tmp_path):
    document: Any = OpenDocumentPresentation()
    layout = style.PageLayout(name="P")
    document.automaticstyles.addElement(layout)
    master = style.MasterPage(name="M", pagelayoutname=layout)
    document.masterstyles.addElement(master)
    page = draw.Page(masterpagename=master)
    for parent, words in ((page, "A title"), (master, "Click here")):
        frame, box = draw.Frame(width="9cm", height="9cm", x="1cm", y="1cm"), draw.TextBox()
        box.addElement(text.P(text=words))
        frame.addElement(box)
        parent.addElement(frame)
    document.presentation.addElement(page)
    out, report = translated(tmp_path, "a.odp", saved(document), upper)
    assert sorted(paragraphs(out)) == ["A TITLE", "Click here"]
    assert report.format == "odp"


def test_an_encrypted_document_is_refused(tmp_path):
    manifest = '<manifest xmlns:m="urn:x"><m:encryption-data/></manifest>'
    data = package(
        {"mimetype": f"{MIME}.text", "content.xml": "", "META-INF/manifest.xml": manifest}
    )
    with pytest.raises(MtkitError, match="is encrypted"):
        translated(tmp_path, "a.odt", data, upper)


def test_the_type_comes_first_and_uncompressed(tmp_path):
    out, _ = translated(tmp_path, "a.odt", odt("<text:p>one</text:p>"), upper)
    assert out[30:].startswith(f"mimetype{MIME}.textPK".encode())


CONTENT = st.recursive(
    st.sampled_from(["one ", "two", " three ", "<text:s/>", "<text:tab/>", "<text:bookmark/>"]),
    lambda inner: st.tuples(
        st.sampled_from(["span", "a", 'span text:style-name="T1"']), st.lists(inner, max_size=4)
    ).map(lambda one: f"<text:{one[0]}>{''.join(one[1])}</text:{one[0].split()[0]}>"),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CONTENT, max_size=5).map("".join))
def test_all_nestings_of_tags(tmp_path_factory, content):
    tmp_path = tmp_path_factory.mktemp("nestings")
    data = odt(f"<text:p>{content}</text:p><text:p>end</text:p>")
    assert translated(tmp_path, "a.odt", data, identity)[0] == data
    out, _ = translated(tmp_path, "a.odt", data, reversed_words)
    before, after = tree(data, "content.xml"), tree(out, "content.xml")
    for name in ("a", "bookmark", "tab"):
        path = f".//{{urn:oasis:names:tc:opendocument:xmlns:text:1.0}}{name}"
        assert len(after.findall(path)) == len(before.findall(path))
    assert sorted("".join(after.itertext()).replace(" ", "")) == sorted(
        "".join(before.itertext()).replace(" ", "")
    )

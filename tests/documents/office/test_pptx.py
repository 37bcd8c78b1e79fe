"""pptx: slides, tables, groups, notes and charts, against python-pptx."""

import io

import pytest

from mtkit.documents.translation.segment_request import TAGS_BY_POSITION
from mtkit.errors import MtkitError
from tests.documents.office.packages import NAMESPACES, A, changed_members, member, open_xml, tree
from tests.documents.translating import identity, reversed_words, translated, upper

pptx = pytest.importorskip("pptx")
from pptx.chart.data import CategoryChartData  # noqa: E402
from pptx.enum.chart import XL_CHART_TYPE  # noqa: E402
from pptx.util import Inches  # noqa: E402

BOX = (Inches(1), Inches(1), Inches(3), Inches(1))


@pytest.fixture(scope="module")
def slides():
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Our plan"
    paragraph = slide.shapes.add_textbox(*BOX).text_frame.paragraphs[0]
    paragraph.add_run().text = "We sell "
    bold = paragraph.add_run()
    bold.text, bold.font.bold = "old cars", True
    bold.hyperlink.address = "http://x.y/"
    paragraph.add_run().text = " & more"
    table = slide.shapes.add_table(1, 2, *BOX).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Name", "12"
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(*BOX).text_frame.text = "In a group"
    slide.notes_slide.notes_text_frame.text = "A note\nto read"
    data = CategoryChartData()
    data.categories = ["East"]
    data.add_series("Sales", (1.0,))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.PIE, *BOX, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Sales by region"
    slide.shapes[1]._element.nvSpPr.cNvPr.set("descr", "A text box")
    stream = io.BytesIO()
    presentation.save(stream)
    return stream.getvalue()


def texts(data):
    (slide,) = pptx.Presentation(io.BytesIO(data)).slides
    frames = [one.text_frame for one in slide.shapes if one.has_text_frame]
    frames += [one.text_frame for one in slide.shapes[3].shapes]
    frames += [cell.text_frame for cell in slide.shapes[2].table.iter_cells()]
    frames += [slide.notes_slide.notes_text_frame, slide.shapes[4].chart.chart_title.text_frame]
    return [one.text for one in frames]


def test_an_identity_changes_no_byte(tmp_path, slides):
    out, report = translated(tmp_path, "a.pptx", slides, identity, src_lang="en", tgt_lang="ar")
    assert out == slides
    assert (report.format, report.n_segments) == ("pptx", 8)


def test_every_text_is_translated_once(tmp_path, slides):
    out, report = translated(tmp_path, "a.pptx", slides, upper)
    assert texts(out) == [text.upper() for text in texts(slides)]
    assert report.fallbacks == {TAGS_BY_POSITION: 1}
    changed = [name.split("/")[1] for name in changed_members(slides, out)]
    assert sorted(changed) == ["charts", "notesSlides", "slides"]
    (slide,) = pptx.Presentation(io.BytesIO(out)).slides
    assert slide.shapes[1]._element.nvSpPr.cNvPr.get("descr") == "A TEXT BOX"
    values = tree(out, "ppt/" + str(slide.shapes[4].chart.part.partname).removeprefix("/ppt/"))
    assert "East" in values.itertext() and "Sales" in values.itertext()


def test_runs_follow_the_alignment(tmp_path, slides):
    out, _ = translated(tmp_path, "a.pptx", slides, reversed_words)
    (slide,) = pptx.Presentation(io.BytesIO(out)).slides
    runs = slide.shapes[1].text_frame.paragraphs[0].runs
    assert [(one.text, one.hyperlink.address) for one in runs if one.text] == [
        *(("more & ", None), ("cars old", "http://x.y/"), (" sell We", None)),
    ]


def test_language_and_direction_are_marked(tmp_path, slides):
    out, _ = translated(tmp_path, "a.pptx", slides, upper, src_lang="en", tgt_lang="he")
    root = tree(out, "ppt/slides/slide1.xml")
    for paragraph in root.iter(f"{{{A}}}p"):
        assert paragraph[0].tag == f"{{{A}}}pPr" and paragraph[0].get("rtl") == "1"
    assert {one.get("lang") for one in root.iter(f"{{{A}}}rPr")} == {"he-IL"}


def run(lang):
    return f"<a:r><a:rPr lang='{lang}' dirty='{len(lang)}' b='1'/>"


OFFICE = "vnd.openxmlformats-officedocument."


def slide(*content, kind="presentationml.slide"):
    main = f"{OFFICE}presentationml.presentation.main+xml"
    return open_xml(
        main,
        [
            ("ppt/presentation.xml", main, "<a/>"),
            ("s.xml", f"{OFFICE}{kind}+xml", f"<p:sld {NAMESPACES}>{''.join(content)}</p:sld>"),
        ],
    )


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("presentationml.comments", "<p:cm><p:text>one</p:text></p:cm>"),
        ("drawingml.diagramData", "<a:p><a:r><a:t>one</a:t></a:r></a:p>"),
        ("presentationml.slideLayout", "<a:p><a:r><a:t>Click here</a:t></a:r></a:p>"),
    ],
)
def test_other_parts(tmp_path, kind, content):
    data = slide(content, kind=kind)
    if "Layout" in kind:
        with pytest.raises(MtkitError, match="no text to translate"):
            translated(tmp_path, "a.pptx", data, upper)
    else:
        out, _ = translated(tmp_path, "a.pptx", data, upper)
        assert content.replace("one", "ONE") in member(out, "s.xml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<a:r><a:t>a</a:t></a:r><a:br/><a:r><a:t>b</a:t></a:r>",) * 2,
        ("<a:r><a:t>page </a:t></a:r><a:fld type='slidenum'><a:t>two</a:t></a:fld>",) * 2,
        (  # spelling marks are not formatting
            f"{run('en')}<a:t>One</a:t></a:r>{run('de')}<a:t> two</a:t></a:r>",
            f"{run('en')}<a:t>ONE TWO</a:t></a:r>",
        ),
    ],
)
def test_inline_elements(tmp_path, content, expected):
    if content == expected:
        for word in (">a<", ">b<", "page"):
            expected = expected.replace(word, word.upper())
    out, _ = translated(tmp_path, "a.pptx", slide(f"<a:p>{content}</a:p>"), upper)
    assert f"<a:p>{expected}</a:p>" in member(out, "s.xml")

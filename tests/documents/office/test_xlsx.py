"""xlsx: strings, comments, and what has to stay, against openpyxl."""

import datetime
import io
import re
import zipfile
from typing import Any

import pytest

from mtkit.documents.office.spreadsheet import KEPT
from tests.documents.office.packages import changed_members, member, open_xml, package, tree
from tests.documents.translating import identity, reversed_words, translated, upper

openpyxl = pytest.importorskip("openpyxl")
from openpyxl.cell.rich_text import CellRichText, TextBlock  # noqa: E402
from openpyxl.cell.text import InlineFont  # noqa: E402
from openpyxl.chart import BarChart, Reference  # noqa: E402
from openpyxl.comments import Comment  # noqa: E402
from openpyxl.workbook.defined_name import DefinedName  # noqa: E402
from openpyxl.worksheet.datavalidation import DataValidation  # noqa: E402
from openpyxl.worksheet.table import Table  # noqa: E402

KIND = "vnd.openxmlformats-officedocument.spreadsheetml."


def with_shared_strings(data):
    """Move the strings of the sheet, which openpyxl writes into it, to the shared strings."""
    strings = []

    def share(match):
        if match[2] not in strings:
            strings.append(match[2])
        return f'{match[1]} t="s"><v>{strings.index(match[2])}</v></c>'

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"].decode()
    sheet, n = re.subn(r'(<c r="\w+") t="inlineStr"><is>(.*?)</is></c>', share, sheet, flags=re.S)
    assert n > len(strings) > 5
    members["xl/worksheets/sheet1.xml"] = sheet
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    items = "".join(f"<si>{one}</si>" for one in strings)
    members["xl/sharedStrings.xml"] = f'<sst xmlns="{namespace}">{items}</sst>'
    for name, entry in (
        (
            "[Content_Types].xml",
            (
                f'<Override PartName="/xl/sharedStrings.xml" ContentType="application/{KIND}'
                'sharedStrings+xml"/></Types>'
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            (
                '<Relationship Id="strings" Target="sharedStrings.xml" Type="http://schemas.openxmlformats'
                '.org/officeDocument/2006/relationships/sharedStrings"/></Relationships>'
            ),
        ),
    ):
        end = f"</{entry.rpartition('</')[2]}"
        members[name] = members[name].decode().replace(end, entry)
    return package(members)


@pytest.fixture(scope="module")
def inline_workbook():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "First sheet"
    rows = [
        ["Name", "Amount", "State"],
        ["A red car", 12.5, "open"],
        ["A red car", datetime.date(2024, 1, 2), "closed"],
        ["Line one\nline two & 3", "=SUM(B2:B2)", '=IF(C2="open","yes","no")'],
        ["Total of all", True, "yes"],
    ]
    for row in rows:
        sheet.append(row)
    sheet.add_table(Table(displayName="Cars", ref="A1:C3"))
    sheet["D1"] = CellRichText("plain ", TextBlock(InlineFont(b=True), "bold text"), " end")
    sheet["A2"].comment = Comment("Check this", "Somebody")
    validation = DataValidation("list", formula1='"low,high"')
    sheet.add_data_validation(validation)
    validation.add("E1")
    sheet["E1"], sheet["E2"] = "low", "lower"
    book.defined_names["cars"] = DefinedName("cars", attr_text="'First sheet'!$A$1")
    chart = BarChart()
    chart.title = "Cars sold"
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "G1")
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.fixture(scope="module", params=["inline", "shared"])
def workbook(request, inline_workbook):
    is_shared = request.param == "shared"
    return with_shared_strings(inline_workbook) if is_shared else inline_workbook


KEPT_TEXTS = ("Name", "Amount", "State", "open", "yes", "low")


def cells(data):
    book = openpyxl.load_workbook(io.BytesIO(data), rich_text=True)
    assert book.sheetnames == ["First sheet"]
    assert book.defined_names["cars"].attr_text == "'First sheet'!$A$1"
    return {cell.coordinate: cell.value for row in book.active for cell in row if cell.value}


def test_an_identity_changes_no_byte(tmp_path, workbook):
    out, report = translated(tmp_path, "a.xlsx", workbook, identity, tgt_lang="ko")
    assert out == workbook
    # seven cells, one of them of two lines; a comment; the title of the chart
    is_shared = has_shared_strings(workbook)  # a text in two cells is one segment
    assert (report.format, report.n_segments) == ("xlsx", 10 - is_shared)


def has_shared_strings(data):
    return "t='s'" in member(data, "xl/worksheets/sheet1.xml").replace('"', "'")


def test_texts_are_translated_and_all_else_is_kept(tmp_path, workbook):
    out, report = translated(tmp_path, "a.xlsx", workbook, upper)
    before, after = cells(workbook), cells(out)
    expected = {
        place: value.upper()
        if isinstance(value, str) and value not in KEPT_TEXTS and not value.startswith("=")
        else value
        for place, value in before.items()
    }
    assert {place: str(value) for place, value in after.items()} == {
        place: str(value).upper() if place == "D1" else str(value)
        for place, value in expected.items()
    }
    assert report.fallbacks[KEPT] == len(KEPT_TEXTS)
    sheet = openpyxl.load_workbook(io.BytesIO(out)).active
    assert sheet["A2"].comment.text == "CHECK THIS"
    (table,) = sheet.tables.values()
    assert [column.name for column in table.tableColumns] == [cell.value for cell in sheet[1][:3]]
    strings = "xl/sharedStrings.xml" if has_shared_strings(workbook) else "xl/worksheets/sheet1.xml"
    assert set(changed_members(workbook, out)) == {
        *("xl/charts/chart1.xml", strings, "xl/comments/comment1.xml"),
    }


def test_formatting_within_a_cell_follows_the_alignment(tmp_path, workbook):
    out, _ = translated(tmp_path, "a.xlsx", workbook, reversed_words)
    value = cells(out)["D1"]
    parts = [(str(one), isinstance(one, TextBlock) and bool(one.font.b)) for one in value]
    assert [one for one in parts if one[0]] == [
        *(("end ", False), ("text bold", True), (" plain", False))
    ]


def with_part(name, kind, xml):
    """Make a workbook with one more part."""
    main = ("xl/workbook.xml", f"{KIND}sheet.main+xml", "<a/>")
    return open_xml(KIND, [main, (name, kind, xml)])


def test_phonetic_texts_are_kept(tmp_path):
    strings = (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>東京</t>'
        '<rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si></sst>'
    )
    data = with_part("xl/sharedStrings.xml", f"{KIND}sharedStrings+xml", strings)
    out, _ = translated(tmp_path, "a.xlsx", data, lambda texts: ["Tokyo" for _ in texts])
    assert member(out, "xl/sharedStrings.xml") == strings.replace("<t>東京", "<t>Tokyo")


def test_threaded_comments(tmp_path):
    namespace = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    xml = f'<a xmlns="{namespace}"><threadedComment><text>One</text></threadedComment></a>'
    data = with_part("xl/c.xml", "vnd.ms-excel.threadedcomments+xml", xml)
    out, _ = translated(tmp_path, "a.xlsx", data, upper)
    assert member(out, "xl/c.xml") == xml.replace("One", "ONE")


def test_inline_strings(tmp_path):
    sheet = (
        '<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<x:c t="inlineStr"><x:is><x:t>One</x:t></x:is></x:c><x:c><x:f>"one"</x:f></x:c>'
        '<x:c t="inlineStr"><x:is><x:r><x:rPr><x:b/></x:rPr><x:t xml:space="preserve">Two </x:t>'
        "</x:r><x:r><x:t>three</x:t></x:r></x:is></x:c></x:worksheet>"
    )
    data = with_part("xl/sheet.xml", f"{KIND}worksheet+xml", sheet)
    out, report = translated(tmp_path, "a.xlsx", data, reversed_words)
    root = tree(out, "xl/sheet.xml")
    assert "".join(root.itertext()) == 'One"one"three Two'
    assert report.fallbacks == {KEPT: 1}

"""Corpora in workbooks, which openpyxl writes."""

import logging
import zipfile

import pytest

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.corpus.read.pairs import read_pairs
from mtkit.errors import MtkitError

openpyxl = pytest.importorskip("openpyxl")
from openpyxl.cell.rich_text import CellRichText, TextBlock  # noqa: E402
from openpyxl.cell.text import InlineFont  # noqa: E402


def pairs_of(path, **settings):
    source = CorpusSource(file=path, **settings)
    return list(read_pairs(source, DataConfig(src_lang="ko", tgt_lang="en", train=(source,))))


def workbook(path, *rows, sheets=("corpus",)):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_columns_by_header(tmp_path, caplog):
    path = workbook(tmp_path / "a.xlsx", ["id", "en", "ko"], [1, "house", "집"], [2, "dog", "개"])
    with caplog.at_level(logging.INFO):
        assert pairs_of(path) == [("집", "house"), ("개", "dog")]
    assert "source: column 3 (ko), target: column 2 (en)" in caplog.text


def test_columns_by_name_and_by_number(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ["원문", "메모", "번역"], ["집", None, "house"])
    assert pairs_of(path, src_column="원문", tgt_column="번역") == [("집", "house")]
    path = workbook(tmp_path / "b.xlsx", ["집", "x", "house"], ["개", None, "dog"])
    assert pairs_of(path, src_column=1, tgt_column=3) == [("집", "house"), ("개", "dog")]
    with pytest.raises(MtkitError, match="메모 2"):
        pairs_of(tmp_path / "a.xlsx", src_column="원문", tgt_column="메모 2")


def test_every_kind_of_text(tmp_path):
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["C3"] = "ko"  # the table begins in the third row and column
    sheet["D3"] = "en"
    sheet["C4"] = CellRichText(["큰 ", TextBlock(InlineFont(b=True), "집"), " & 개"])
    sheet["D4"] = "two\nlines\r\nhere"
    sheet["C6"] = 42  # row 5 is blank
    sheet["D6"] = "a <b>"
    sheet["C7"] = "only one side"
    sheet["F7"] = "beyond the table"
    book.save(path)
    assert pairs_of(path) == [
        ("큰 집 & 개", "two lines here"),
        ("", ""),
        ("42", "a <b>"),
        ("only one side", ""),
    ]


def test_equal_texts_and_order_are_kept(tmp_path):
    rows = [[f"{i % 7}번", f"number {i}"] for i in range(200)]
    path = workbook(tmp_path / "a.xlsx", *rows)
    assert pairs_of(path) == [tuple(row) for row in rows]


def test_the_first_worksheet_is_read(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ["집", "house"], sheets=("하나", "둘"))
    assert pairs_of(path) == [("집", "house")]


NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MEMBERS = {
    "xl/workbook.xml": f'<workbook {NAMESPACE} xmlns:r="{LINKS}">'
    '<sheets><sheet name="chart" r:id="c"/><sheet name="한글" r:id="a"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships><Relationship Id="c" Type="{LINKS}/chartsheet" '
    f'Target="chart.xml"/><Relationship Id="a" Type="{LINKS}/worksheet" Target="sheets/one.xml"/>'
    "</Relationships>",
    "xl/sharedStrings.xml": f"<sst {NAMESPACE}><si><r><t>큰 </t></r><r><rPr><b/></rPr><t>집</t></r>"
    "<rPh><t>ruby</t></rPh></si><si><t>a _x0041_</t></si></sst>",
    "xl/sheets/one.xml": f'<worksheet {NAMESPACE}><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c>'
    '<c r="B1" t="s"><v>1</v></c></row><row r="2"><c t="str"><f>A1</f><v>강</v></c><c t="s"><v>1</v>'
    "</c></row></sheetData></worksheet>",
}
"""A workbook with shared strings, which openpyxl does not write."""


def pack(path, **changes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**MEMBERS, **changes}.items():
            archive.writestr(name, text)
    return path


def test_shared_strings(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        pairs = pairs_of(pack(tmp_path / "a.xlsx"))
    assert pairs == [("큰 집", "a A"), ("강", "a A")]
    assert "the worksheet 한글 is read, not the 1 others" in caplog.text


@pytest.mark.parametrize(
    ("member", "old", "new", "error"),
    [
        ("xl/sharedStrings.xml", "</sst>", "", "sharedStrings.xml is broken XML"),
        ("xl/sharedStrings.xml", "<si><t>a _x0041_</t></si>", "", "row 1 refers to a text"),
        ("xl/sharedStrings.xml", "<sst", '<!DOCTYPE a [<!ENTITY b "c">]><sst', "has a DOCTYPE"),
        ("xl/workbook.xml", 'r:id="a"', 'r:id="b"', "has no worksheet"),
        ("xl/_rels/workbook.xml.rels", "one.xml", "two.xml", "lacks xl/sheets/two.xml"),
        ("xl/sheets/one.xml", 'r="1"', 'r="x"', "row x has no valid number"),
        ("xl/sheets/one.xml", 'r="2"', 'r="9999999999"', "row 9999999999 has no valid"),
        ("xl/sheets/one.xml", "<v>0</v>", "<v>-3</v>", "row 1 refers to a text"),
    ],
)
def test_damaged_or_hostile_workbooks_are_one_line(tmp_path, member, old, new, error):
    path = pack(tmp_path / "a.xlsx", **{member: MEMBERS[member].replace(old, new, 1)})
    with pytest.raises(MtkitError, match=error) as caught:
        pairs_of(path)
    assert caught.value.hint and "\n" not in caught.value.message


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    for data in (
        b"not a workbook",
        b"PK\3\4 truncated",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 password",
    ):
        path.write_bytes(data)
        with pytest.raises(MtkitError, match=r"a\.xlsx"):
            pairs_of(path)


def test_data_check_and_clean_read_workbooks(mtkit, tmp_path):
    path = workbook(tmp_path / "a.xlsx", ["ko", "en"], ["집", "house"], ["개", "dog"])
    outcome = mtkit("data", "check", path, "--src-lang", "ko", "--tgt-lang", "en")
    assert "2 pairs" in outcome.out + outcome.err
    out = tmp_path / "clean.ko", tmp_path / "clean.en"
    outcome = mtkit("data", "clean", path, "--src-lang", "ko", "--tgt-lang", "en", "-o", *out)
    assert outcome.status == 0, outcome.err
    assert [one.read_text().split() for one in out] == [["집", "개"], ["house", "dog"]]

"""CSV and TSV documents against Python's csv module."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.documents.data.tables import TableDocument
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError
from tests.documents.translating import careful, identity, translated, upper

DATA = 'id,text,note\r\n1,"a ""big"" {x}\r\nsecond line",n\r\n\r\n2,plain,"n"\r\n3,,x'


@pytest.mark.parametrize("fields", [["text"], ["2"]])
def test_columns_are_translated_and_all_else_stays(tmp_path, fields):
    assert translated(tmp_path, "a.csv", DATA, identity, fields=fields)[0].decode() == DATA
    out, _ = translated(tmp_path, "a.csv", DATA, careful, fields=fields)
    expected = DATA.replace('a ""big""', 'A ""BIG""').replace("second line", "SECOND LINE")
    expected = expected.replace("plain", "PLAIN")
    assert out.decode() == (expected.replace("text", "TEXT") if fields == ["2"] else expected)


def test_tsv(tmp_path):
    data = 'a\tb "q"\n\tc\td\n'
    out, _ = translated(
        tmp_path, "a.tsv", data, lambda t: [s.upper() + "\tx" for s in t], fields=["2"]
    )
    assert out == b'a\tB "Q" x\n\tC x\td\n'


ROWS = st.lists(st.lists(st.text('ab", \n\t', max_size=5), min_size=2, max_size=2), min_size=1)


@settings(max_examples=150)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.text('a", \n', min_size=1))
def test_cells_are_those_of_the_csv_module(rows, newline, quotes_all, text):
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quotes_all else csv.QUOTE_MINIMAL
    csv.writer(stream, lineterminator=newline, quoting=quoting).writerows(rows)
    document = TableDocument.parse(stream.getvalue(), ReadOptions(fields=("2",)), is_csv=True)
    assert [value.text for value in document.values] == [row[1] for row in rows]
    document.new_texts = lambda translated: {0: text}
    read = list(csv.reader(io.StringIO(document.write([]), newline="")))
    assert read == [[rows[0][0], text], *rows[1:]]


@pytest.mark.parametrize(
    ("data", "fields", "message"),
    [
        ("a,b", [], "no column to translate is selected"),
        ("a,b", ["c"], "has no column c"),
        ("a,b", ["0"], "has no column 0"),
        ("a,b\n\nc,\"d\"e", ["1"], "line 3 is not valid CSV"),
        ('a,b\n"c', ["1"], "line 2 is not valid CSV"),
        ("", ["1"], "has no column 1"),
    ],
)  # fmt: skip
def test_invalid_tables_are_refused(tmp_path, data, fields, message):
    with pytest.raises(MtkitError) as info:
        translated(tmp_path, "a.csv", data, upper, fields=fields)
    assert message in info.value.message and "\n" not in info.value.message + info.value.hint

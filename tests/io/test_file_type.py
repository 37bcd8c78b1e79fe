import io
import re
import zipfile

import pytest

from mtkit.errors import MtkitError
from mtkit.io.file_type import refuse_other_than_text
from mtkit.io.text import read_lines
from mtkit.translation.jobs.input_reader import LineReader


def test_escape_sequences_are_not_text():
    for encoding, text in (("ISO-2022-JP", "こんにちは"), ("ISO-2022-KR", "안녕하세요")):
        with pytest.raises(MtkitError, match=f"is {encoding}, not UTF-8"):
            refuse_other_than_text(text.encode(encoding), "a")
    refuse_other_than_text(b"\x1b[31mred\x1b[0m\n", "a")


def zip_of(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (zip_of("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "a Word document"),
        (zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (zip_of("[Content_Types].xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
        (zip_of("train.de", "train.en"), "a ZIP archive"),
        (b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument file"),
        (
            b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "an OpenDocument spreadsheet",
        ),
        (b"PK\x03\x04....mimetypeapplication/epub+zip", "an EPUB book"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "a document of an old Microsoft Office"),
        (b"BZh91AY&SY\0\0", "a bzip2 file"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive"),
        (b"train.de".ljust(257, b"\0") + b"ustar  \0", "a tar archive"),
    ],
)
def test_documents_and_archives_are_named(tmp_path, data, what):
    (tmp_path / "a.de").write_bytes(data)
    with pytest.raises(MtkitError, match=re.escape(f"a.de`: is {what}")) as caught:
        list(read_lines(tmp_path / "a.de"))
    assert caught.value.hint
    with (
        LineReader(tmp_path / "a.de", "replace") as reader,
        pytest.raises(MtkitError, match=re.escape(f"a.de`: is {what}")),
    ):
        reader.take(1)


@pytest.mark.parametrize(
    "data", [b"a\rb\rc", b"a\rb", b"a\rb\rc\n", b"a\r\rb\rc\r", b"\n" + b"a\r" * 40 + b"b\n"]
)
def test_lines_that_end_in_cr_alone_are_refused(data):
    with pytest.raises(MtkitError, match="its lines end in CR alone") as caught:
        refuse_other_than_text(data, "my file")
    assert caught.value.hint == "convert it with `tr '\\r' '\\n' < 'my file' > NEW`"


@pytest.mark.parametrize(
    "data",
    [b"", b"\r", b"a\r", b"a\r\n", b"a\r\nb\r\n", b"a\rb\n", b"a\r\r\nb\r\r\n", b"a\rb\rc\nd\n"],
)
def test_a_few_crs_within_lines_are_text(data):
    refuse_other_than_text(data, "a")

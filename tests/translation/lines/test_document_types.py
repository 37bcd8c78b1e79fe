"""Documents are known by name or by their first bytes; sentences that look a little like them are
not.
"""

import gzip
import io
import zipfile

import pytest

from mtkit.errors import MtkitError
from mtkit.translation.lines.document_types import DocumentCheck, refuse_document


def zip_bytes():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return stream.getvalue()


DOCUMENTS = {
    "app.po": b'# German\nmsgid ""\nmsgstr ""\n"Language: de\\n"\n\nmsgid "Hello"\nmsgstr "Hallo"\n',
    "film.srt": b"1\r\n00:00:01,000 --> 00:00:04,000\r\nHello.\r\n",
    "film.vtt": b"WEBVTT\n\n00:01.000 --> 00:04.000\nHello.\n",
    "page.html": b"<!DOCTYPE html>\n<html><body>Hello</body></html>\n",
    "old.HTM": b"\n<HTML>\n",
    "texts.json": b'{\n  "hello": "Hello"\n}\n',
    "list.json": b'[\n  {"hello": "Hello"}\n]\n',
    "memory.tmx": b'\xef\xbb\xbf<?xml version="1.0"?>\n<tmx version="1.4"></tmx>\n',
    "job.xliff": b'<?xml version="1.0"?>\n<xliff/>\n',
    "letter.docx": zip_bytes(),
    "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "letter.rtf": b"{\\rtf1\\ansi Hello}\n",
    "table.parquet": b"PAR1\x15\x04",
}
BINARY = ("letter.docx", "paper.pdf", "letter.rtf", "table.parquet")
SENTENCES = [
    "[1] This is a note.",
    "{name} has gone home.",
    "1",
    "1\n2\n00:00 --> it begins",
    "# heading\nmsgid is a keyword.",
    "<b>Bold</b> text.",
    "xml is a format.",
    "WEBVTTs are files.",
    "[applause]",
    "",
]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("way", ["by name", "by content", "packed"])
def test_documents_are_refused(tmp_path, name, way):
    path = tmp_path / {"by name": name, "by content": "text", "packed": "text.gz"}[way]
    path.write_bytes(
        {"by name": b"Hello.\n", "packed": gzip.compress(DOCUMENTS[name])}.get(way, DOCUMENTS[name])
    )
    with pytest.raises(MtkitError) as info:
        refuse_document(path)
    assert "--input-format text" in info.value.hint or name in BINARY


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences_are_not_documents(tmp_path, text):
    path = tmp_path / "text.de"
    path.write_text(text)
    refuse_document(path)
    lines = text.split("\n")
    check(lines, 1)
    check(lines, len(lines))


def check(lines, chunk_lines):
    """Check a stream of lines, some at a time."""
    check = DocumentCheck("stdin")
    for start in range(0, len(lines), chunk_lines):
        check(lines[start : start + chunk_lines])


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in BINARY])
def test_document_on_a_stream_is_refused_by_its_first_bytes(name):
    lines = DOCUMENTS[name].decode(errors="replace").replace("\r\n", "\n").split("\n")
    with pytest.raises(MtkitError, match="`stdin`"):
        check(lines, 1)
    with pytest.raises(MtkitError, match="`stdin`"):
        check(lines, len(lines))


def test_document_is_read_as_text_only_on_request(mtkit, tmp_path):
    path = tmp_path / "app.txt"
    path.write_bytes(DOCUMENTS["app.po"])
    outcome = mtkit("translate", path, "-m", "nowhere")
    assert outcome.status == 1
    assert (
        outcome.err.splitlines()[0]
        == f"error: `{path}`: is a gettext catalog, whose markup would be translated too"
    )
    assert (
        "nowhere`: no such directory"
        in mtkit("translate", path, "-m", "nowhere", "--input-format", "text").err
    )


def test_the_command_refuses_a_document_on_stdin(mtkit, tiny_run):
    outcome = mtkit("translate", "-", "-m", tiny_run / "model", stdin=DOCUMENTS["page.html"])
    assert (outcome.status, outcome.out) == (1, "")
    assert "`stdin`: is an HTML page" in outcome.err

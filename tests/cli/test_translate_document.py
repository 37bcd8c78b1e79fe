"""`mtkit translate` of documents: subtitles, pages and office documents."""

import io
import json
import zipfile

import pytest

SRT = "1\n00:00:01,000 --> 00:00:02,000\n<i>나는 {name} 학교에 간다.</i>\n"


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT, encoding="utf-8")
    return path


def test_a_document_is_translated(mtkit, tiny_run, film, tmp_path):
    out, report = tmp_path / "out.srt", tmp_path / "report.json"
    page = tmp_path / "page.html"
    page.write_text("<p>나는 <b>학교에</b> 간다. <code>x</code></p>", encoding="utf-8")
    for path in (film, page):
        outcome = mtkit(
            *("translate", path, "-m", tiny_run / "model", "-o", out, "--report", report)
        )
        assert (outcome.status, outcome.out) == (0, ""), outcome.err
        assert f"`{path}` is read as {path.suffix[1:]};" in outcome.err
        assert "wrote " in outcome.err and "1 segment, 1 changed" in outcome.err
        text = out.read_text(encoding="utf-8")
        assert json.loads(report.read_text(encoding="utf-8"))["segments"] == 1
        if path is page:
            assert text.startswith("<p>") and text.count("<b>") == text.count("</b>") == 1
            assert text.count("<code>x</code>") == 1
        else:
            assert text.startswith("1\n00:00:01,000 --> 00:00:02,000\n<i>")
            assert text.endswith("</i>\n") and text.count("{name}") == 1
            assert "학교" not in text


def test_an_office_document_is_known_by_its_content(mtkit, tiny_run, tmp_path):
    docx = pytest.importorskip("docx")
    document, path, out = docx.Document(), tmp_path / "letter", tmp_path / "out"
    document.add_paragraph("나는 학교에 간다.")
    with path.open("wb") as stream:
        document.save(stream)
    outcome = mtkit("translate", path, "-m", tiny_run / "model", "-o", out)
    assert outcome.status == 0, outcome.err
    assert f"`{path}` is read as docx\n" in outcome.err
    with out.open("rb") as stream:
        (paragraph,) = docx.Document(stream).paragraphs
    assert paragraph.text and "학교" not in paragraph.text


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("a.txt", "Hello")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message", "hint"),
    [
        ("a", archive(), "is a ZIP archive, but not an office document", "unpack it"),
        ("a.docx", archive(), "is a ZIP archive, but not an office document", "unpack it"),
        ("a.doc", b"x", "is an office document of an old format", "save it as .docx"),
        ("a.pdf", b"x", "is a PDF document, which cannot be translated", "pdftotext"),
    ],
)
def test_other_documents_are_refused(mtkit, tiny_run, tmp_path, name, data, message, hint):
    path = tmp_path / name
    path.write_bytes(data)
    outcome = mtkit("translate", path, "-m", tiny_run / "model", "-o", tmp_path / "out")
    assert outcome.status == 1 and f"`{path}`: {message}" in outcome.err
    assert hint in outcome.err


def test_as_text_it_is_translated_line_by_line(mtkit, tiny_run, film, tmp_path):
    out = tmp_path / "out.srt"
    options = ("-m", tiny_run / "model", "-o", out, "--input-format", "text")
    outcome = mtkit("translate", film, *options)
    assert outcome.status == 0 and "read as" not in outcome.err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--n-best", "2"], "--n-best cannot be used with a document"),
        (["--format", "jsonl", "--details"], "--format, --details cannot be used"),
        (["--resume"], "--resume cannot be used"),
        (["--chunk-lines", "1"], "--chunk-lines cannot be used"),
        (["--field", "1"], "srt has no fields to select"),
        (["--protect", "(a+)+"], "contains a repeated group"),
    ],
)
def test_options_of_lines_are_refused(mtkit, tiny_run, film, tmp_path, options, message):
    out = tmp_path / "out.srt"
    outcome = mtkit("translate", film, "-m", tiny_run / "model", "-o", out, *options)
    assert outcome.status == 1
    assert message in outcome.err
    assert not out.exists()


def test_options_of_documents_are_refused_for_text(mtkit, tiny_run, tmp_path):
    (tmp_path / "text.ko").write_text("나\n", encoding="utf-8")
    options = ("-m", tiny_run / "model", "-o", tmp_path / "out", "--report", tmp_path / "report")
    outcome = mtkit("translate", tmp_path / "text.ko", *options)
    assert outcome.status == 1 and "documents have --report, plain text does not" in outcome.err


def test_a_document_needs_files(mtkit, tiny_run, film):
    for words in (["translate", film], ["translate", "-", "--input-format", "srt"]):
        outcome = mtkit(*words, "-m", tiny_run / "model", stdin=SRT)
        assert outcome.status == 1
        assert "a document is translated from a file to a file" in outcome.err


@pytest.mark.parametrize(
    ("name", "text", "options", "words"),
    [
        ("a.json", '{"a": "나는 간다", "b": "나"}', ["--field", "a"], '"b": "나"}'),
        ("a.yml", "ko:\n  a: 나는 간다 # 나\n", [], "# 나\n"),
        ("a.md", "# 나는 간다\n\n`나`\n", [], "\n\n`나`\n"),
        ("a.csv", '나,"나는 간다"\n', ["--field", "2", "--protect", "x"], "나,"),
        ("a.jsonl", '{"a": "나는 간다", "b": "나"}\n', ["--field", "a", "--report", "r"], '"b": "나"}'),
        ("a", "WEBVTT\n\n00:01.000 --> 00:02.000\n나는 간다\n", [], "WEBVTT\n\n00:01.000"),
        ("a.x", '{"text": "나"}\n', ["--input-format", "segments"], '{"text": "나", "translation": {'),
    ],
)  # fmt: skip
def test_formats_are_chosen(mtkit, tiny_run, tmp_path, monkeypatch, name, text, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    outcome = mtkit("translate", name, "-m", tiny_run / "model", "-o", "out", *options)
    assert outcome.status == 0, outcome.err
    out = (tmp_path / "out").read_text(encoding="utf-8")
    assert words in out and out != text and "1 segment, 1 changed" in outcome.err
    assert ("as a document, because it is given --" in outcome.err) == (
        name in ("a.csv", "a.jsonl")
    )


def test_drafts_in_catalogs(mtkit, tiny_run, tmp_path, film):
    (tmp_path / "a.po").write_text('msgid "나"\nmsgstr ""\n', encoding="utf-8")
    words = ("translate", tmp_path / "a.po", "-m", tiny_run / "model", "-o", tmp_path / "b.po")
    outcome = mtkit(*words)
    assert outcome.status == 0 and "is read as po" in outcome.err
    assert (tmp_path / "b.po").read_text(encoding="utf-8").startswith('#, fuzzy\nmsgid "나"')
    assert mtkit(*words, "--final", "--fuzzy").status == 0
    assert (tmp_path / "b.po").read_text(encoding="utf-8").startswith('msgid "나"')
    outcome = mtkit("translate", film, *words[2:], "--final")
    assert outcome.status == 1 and "--final (is_final) does not apply to srt" in outcome.err

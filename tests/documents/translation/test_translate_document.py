"""Documents from file to file: formats, encodings, errors, and what is written when."""

import os

import pytest

import mtkit
from mtkit.documents import encoding
from mtkit.documents.read_document import read_document
from mtkit.documents.segment import ReadOptions
from mtkit.errors import MtkitError
from tests.documents.translating import Aligned, identity, translated, upper


@pytest.mark.parametrize(
    "data", [b"One.\r\n\r\n\t two \r\n3\r\nlast", b"a\0b\n", "\ufeffÄ\n".encode()]
)
def test_lines_of_text(tmp_path, data):
    assert translated(tmp_path, "a.txt", data, identity)[0] == data
    assert translated(tmp_path, "a.txt", data, upper)[0].decode() == data.decode().upper()


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("a.srt", "anything", "srt"),
        ("A.HTM", "anything", "html"),
        ("a.vtt", "anything", "vtt"),
        ("a.txt", "<html>", "text"),
        ("a", "WEBVTT\n", "vtt"),
        ("a", "1\r\n00:00:01,000 --> 00:00:02,000\r\nHi", "srt"),
        ("a", "\n<!-- x --><!DOCTYPE html>", "html"),
    ],
)
def test_the_format_is_chosen_by_name_and_content(tmp_path, name, start, expected):
    (tmp_path / name).write_text(f"{start}\ntext")
    assert read_document(tmp_path / name, None, ReadOptions())[0] == expected
    assert read_document(tmp_path / name, "text", ReadOptions())[0] == "text"


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(MtkitError, match="known format"):
        translated(tmp_path, "a.xyz", "Hello", identity)
    with pytest.raises(MtkitError, match="`dotx` is not a format"):
        translated(tmp_path, "a.srt", "Hello", identity, format="dotx")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "no text to translate, read as text"),
        ("a.html", b"<script>x</script>", "no text to translate, read as html"),
        ("a.srt", b"Hello", "no text to translate, read as srt"),
        ("a.txt", b"one\ntwo \xff three", "line 2 is not valid utf-8: byte 0xff at byte 9"),
        ("a.html", b"<meta charset=euc-kr><p>\xff\xff", "is not valid cp949"),
        ("a.txt", b"\xff\xfea", "is not valid utf-16-le"),
        ("a.html", b"PK\x03\x04word/document.xml", "Word document"),
        ("a.html", b"<meta charset=iso-2022-jp><p>\x1b(J\x1b(Bx", "cannot be kept byte for byte"),
    ],
)
def test_unusable_files_are_refused(tmp_path, name, data, message):
    with pytest.raises(MtkitError) as info:
        translated(tmp_path, name, data, identity)
    assert message in info.value.message
    assert "\n" not in info.value.message + info.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_missing_and_large_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(MtkitError, match="cannot be read: no such file"):
        mtkit.translate_document(tmp_path / "a.txt", identity, tmp_path / "b.txt")
    with pytest.raises(MtkitError, match="cannot be read: is a directory"):
        mtkit.translate_document(tmp_path, identity, tmp_path / "b.txt", format="text")
    monkeypatch.setattr(encoding, "MAX_BYTES", 10)
    with pytest.raises(MtkitError, match="11 bytes are more"):
        translated(tmp_path, "a.txt", "x" * 11, identity)


def test_the_document_is_not_overwritten(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Hello")
    os.link(path, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(path)
    for output in (path, tmp_path / "hard", tmp_path / "soft", tmp_path / "x/../a.txt"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(MtkitError, match="is the document itself"):
            mtkit.translate_document(path, upper, output)
    assert path.read_text() == "Hello"


@pytest.mark.parametrize("names", [("a.srt.gz", "b.srt"), ("a.srt", "b.srt.xz")])
def test_compressed_files_are_refused(tmp_path, names):
    with pytest.raises(MtkitError, match="uncompressed"):
        mtkit.translate_document(tmp_path / names[0], identity, tmp_path / names[1])


def test_an_error_leaves_an_older_output(tmp_path):
    (tmp_path / "out-a.txt").write_text("older")

    def fail(texts):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        translated(tmp_path, "a.txt", "Hello", fail)
    assert (tmp_path / "out-a.txt").read_text() == "older"


def test_a_document_that_changes_meanwhile_is_refused(tmp_path):
    def translate(texts):
        (tmp_path / "a.txt").write_text("Another text")
        return upper(texts)

    with pytest.raises(MtkitError, match="changed while it was read"):
        translated(tmp_path, "a.txt", "Hello", translate)


def test_characters_that_the_encoding_lacks_are_refused(tmp_path):
    data = b"<meta charset=windows-1252>" + b"<p>x"
    out, _ = translated(tmp_path, "a.html", data, lambda texts: ["한"])
    assert out.endswith(b"<p>&#54620;")


def test_the_report_lists_what_needs_attention(tmp_path):
    data = "Fine.\n\nLost {x}.\nFlagged.\n"

    def translate(texts):
        return [
            Aligned(text.split(" {")[0].upper(), [], ("looped",) * ("Fl" in text)) for text in texts
        ]

    _, report = translated(tmp_path, "a.txt", data, translate)
    assert report.to_dict() == {
        "format": "text",
        "encoding": "utf-8",
        "segments": 3,
        "changed": 3,
        "fallbacks": {"pieces between placeholders translated alone": 1},
        "flags": {"looped": 1},
        "flagged_segments": [
            {
                "line": 3,
                "source": "Lost {x}.",
                "translation": "LOST {x}.",
                "fallbacks": ("pieces between placeholders translated alone",),
                "flags": (),
            },
            {
                "line": 4,
                "source": "Flagged.",
                "translation": "FLAGGED.",
                "fallbacks": (),
                "flags": ("looped",),
            },
        ],
    }
    assert str(report).startswith("3 segments, 3 changed; pieces between")


def test_an_unchanged_document_is_refused_if_wanted(tmp_path):
    with pytest.raises(MtkitError, match="the translations of its 2 segments are their sources"):
        translated(tmp_path, "a.txt", "One.\nTwo.", identity, allow_unchanged=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    _, report = translated(tmp_path, "a.txt", "One.\nTwo.", identity)
    assert (report.n_segments, report.n_changed) == (2, 0)


def test_segments_are_given_those_before_them(tmp_path):
    seen = []

    def translate(texts, contexts):
        seen.extend(zip(contexts, texts, strict=True))
        return [f"{text} {len(context)}" for text, context in zip(texts, contexts, strict=True)]

    html = "<p>One.</p><p>Two.</p><p>Two.</p><p>Two.</p><p>Two.</p>"
    data, _ = translated(tmp_path, "page.html", html, translate, context=2)
    assert seen == [
        ((), "One."),
        (("One.",), "Two."),
        (("One.", "Two."), "Two."),
        (("Two.", "Two."), "Two."),
    ]
    assert data.decode() == "<p>One. 0</p><p>Two. 1</p><p>Two. 2</p><p>Two. 2</p><p>Two. 2</p>"

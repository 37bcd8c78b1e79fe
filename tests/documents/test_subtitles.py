"""Subtitles: sentences across cues, lines, dialogues, and everything that must stay."""

import pytest

from mtkit.documents.subtitles import CUES_NOT_JOINED, SubtitleDocument
from mtkit.documents.translation.segment_request import CUES_ALONE, SOURCE_KEPT
from tests.documents.translating import careful, identity, translated, translated_or_refused, upper

SRT = """1
00:00:01,000 --> 00:00:02,000
<i>The cat sat on
the mat and</i>

2
00:00:02,100 --> 00:00:05,000
looked at the dog.

3
00:00:06,000 --> 00:00:07,000
{\\an8}- Hi {name}.
- Go <b>away</b>
from here!

4
00:00:08,000 --> 00:00:09,000
♪ 1, 2, 3 ♪
5
00:00:10,000 --> 00:00:11,000 X1:40 Y1:20
Wait...
"""
VTT = """WEBVTT - Title

STYLE
::cue { color: red }

NOTE a comment
in two lines

intro
00:01.000 --> 00:02.500 align:start position:10%
<v Ann>Fish &amp; chips <c.loud>now</c>!</v>

00:00:03.000 --> 00:00:04.000
We <00:03.500>sing.
"""


def texts(text, is_vtt=False):
    return [segment.text for segment in SubtitleDocument.parse(text, is_vtt=is_vtt).segments]


def test_segments():
    assert texts(SRT) == [
        "The cat sat on the mat and looked at the dog.",
        *("Hi {name}.", "Go away from here!", "Wait..."),
    ]
    assert texts(VTT, is_vtt=True) == ["Fish & chips now!", "We sing."]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("name", "text"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_an_identity_changes_no_byte(tmp_path, name, text, newline, encoding):
    data = text.replace("\n", newline).encode(encoding)
    assert translated(tmp_path, name, data, identity)[0] == data


def test_only_text_is_replaced(tmp_path):
    out, report = translated(tmp_path, "a.srt", SRT, careful)
    expected = (
        SRT.replace("The cat sat on\nthe mat and", "THE CAT SAT")
        .replace("looked at the dog", "ON THE MAT AND LOOKED AT THE DOG")
        .replace("Hi", "HI")
        .replace("Go <b>away</b>\nfrom here", "GO <b>AWAY</b>\nFROM HERE")
        .replace("Wait", "WAIT")
    )
    assert out.decode() == expected
    assert (report.n_segments, report.n_changed) == (4, 4)
    out, _ = translated(tmp_path, "a.vtt", VTT, careful)
    assert out.decode() == (
        VTT.replace("Fish", "FISH")
        .replace("chips", "CHIPS")
        .replace("now", "NOW")
        .replace("We", "WE")
        .replace("sing", "SING")
    )


def cues(*texts, seconds=1):
    return "\n".join(
        f"{n}\n00:00:{n * seconds:02},000 --> 00:00:{(n + 1) * seconds:02},000\n{text}\n"
        for n, text in enumerate(texts, 1)
    )


def lines_of(data):
    """The lines of text of each cue."""
    return [block.split("\n")[2:] for block in data.decode().rstrip("\n").split("\n\n")]


def test_a_sentence_is_split_by_time_at_word_borders(tmp_path):
    text = (
        "1\n00:00:00,000 --> 00:00:01,000\none two\n\n"
        "2\n00:00:01,000 --> 00:00:04,000\nthree four five.\n"
    )
    out, _ = translated(
        tmp_path, "a.srt", text, lambda texts: ["aaaa bbbb cccc dddd eeee ffff gggg hhhh."]
    )
    assert lines_of(out) == [["aaaa bbbb"], ["cccc dddd eeee ffff gggg hhhh."]]


def test_lines_are_never_more_than_before(tmp_path):
    text = cues("one line.", "first line\nsecond line.", "a\nb\nc and more.")
    out, _ = translated(
        tmp_path,
        "a.srt",
        text,
        lambda texts: ["word " * 20 + "end.", "a " * 3 + "b.", "x " * 30 + "y."],
    )
    assert [len(lines) for lines in lines_of(out)] == [1, 1, 3]


def test_tags_on_lines_of_their_own(tmp_path):
    text = cues("a <i>\nword </i>", "- one <b>\n</b>\ntwo")
    out, _ = translated(tmp_path, "a.srt", text, lambda texts: ["x b word y", "one two three four"])
    assert [len(lines) for lines in lines_of(out)] == [2, 3]


def test_a_translation_that_looks_like_a_timing_is_refused(tmp_path):
    text = cues("One.")
    out, report = translated(
        tmp_path, "a.srt", text, lambda texts: ["00:00:01,000 --> 00:00:02,000"]
    )
    assert (out.decode(), report.fallbacks) == (text, {SOURCE_KEPT: 1})


def test_fewer_words_than_cues(tmp_path):
    def translate(texts):
        return ["Wort" if "one" in text and "two" in text else text.upper() for text in texts]

    out, report = translated(tmp_path, "a.srt", cues("one", "two."), translate)
    assert lines_of(out) == [["ONE"], ["TWO."]]
    assert report.fallbacks == {CUES_ALONE: 2}


def test_japanese_is_split_between_characters(tmp_path):
    text = cues("one two", "three four.")
    out, _ = translated(
        tmp_path, "a.srt", text, lambda texts: ["これは文です。とても、長い。"], tgt_lang="ja"
    )
    assert (
        "".join(line for lines in lines_of(out) for line in lines) == "これは文です。とても、長い。"
    )
    assert all(lines[0] and lines[0][0] not in "。、" for lines in lines_of(out))


def test_cues_that_are_not_joined():
    assert texts(cues("One.", "Two")) == ["One.", "Two"]
    assert texts(cues("Is it…", "…true?")) == ["Is it… …true?"]
    assert texts(cues("One", "Two", seconds=1).replace("00:00:02,000 -->", "00:00:02,900 -->")) == [
        "One Two"
    ]
    far = "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:01:00,000 --> 00:01:02,000\ntwo\n"
    assert texts(far) == ["One", "two"]
    assert texts(cues("One", "- two")) == ["One", "two"]
    assert len(texts(cues(*["word"] * 20))) == 4
    document = SubtitleDocument.parse(cues("One <b>x</b> a", "two"), is_vtt=False)
    assert [segment.text for segment in document.segments] == ["One x a", "two"]
    assert document.remarks == {CUES_NOT_JOINED: 1}


def test_lines_outside_cues_are_counted(tmp_path):
    text = "A title\n\n" + cues("One.") + "\nand more\n\n" + cues("Two.")
    out, report = translated(tmp_path, "a.srt", text, upper)
    assert out.decode() == text.replace("One", "ONE").replace("Two", "TWO")
    assert report.fallbacks == {"lines outside cues kept": 2}


HOSTILE = {
    "tags": cues("<b>" * 3_000 + "x" + "</b>" * 3_000 + " y"),
    "brackets": cues("<" * 20_000 + "x"),
    "braces": cues("{\\" * 10_000 + "x"),
    "dashes": cues("- " * 10_000 + "x"),
    "cues": cues(*["word"] * 90) * 10,
    "one line": cues("word " * 10_000),
    "times": "99999999999999:00:00,000 --> 00:00:00,000\nx\n" + cues("x"),
    "NUL": cues("a\0b"),
    "no timing": "1\n2\n3\n",
    "backwards": "1\n00:00:09,000 --> 00:00:01,000\na b\n\n2\n00:00:09,000 --> 00:00:01,000\nc d\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(tmp_path, name):
    """They are kept unchanged or refused in one line, in bounded time."""
    for translate in (identity, upper):
        result = translated_or_refused(tmp_path, "a.srt", HOSTILE[name], translate)
        assert translate is not identity or result in (HOSTILE[name].encode(), b"")

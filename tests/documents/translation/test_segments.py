"""Segments of other programs' formats: spans in, spans out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtkit
from mtkit.errors import MtkitError
from tests.documents.translating import careful, identity, reversed_words, translated, upper

BOLD = {
    "text": "see the blue one {x}",
    "spans": [
        {"type": "open", "id": 1, "position": 8, "tag": "b"},
        {"type": "protected", "id": "p", "begin": 8, "end": 12},
        {"type": "close", "id": 1, "position": 12},
        {"type": "empty", "id": "br", "position": 20},
    ],
}


def test_spans_move_with_the_words_and_keep_what_they_have():
    segment = {**BOLD, "text": "see the blue one now"}
    [result] = mtkit.translate_segments([segment], reversed_words)
    assert result == {
        "text": "now one blue the see",
        "spans": [
            {"type": "open", "id": 1, "position": 8, "tag": "b"},
            {"type": "protected", "id": "p", "begin": 8, "end": 12},
            {"type": "close", "id": 1, "position": 12},
            {"type": "empty", "id": "br", "position": 20},
        ],
        "fallbacks": [],
        "flags": [],
    }


def test_a_protected_span_and_a_placeholder_are_copied():
    [result] = mtkit.translate_segments([BOLD], upper)
    assert result["text"] == "SEE THE blue ONE {x}"
    assert result["fallbacks"] == ["pieces between placeholders translated alone"]


SEGMENTS = st.lists(
    st.builds(
        lambda words, ends: {
            "text": " ".join(words),
            "spans": [
                {"type": kind, "id": "i", "position": sorted(ends)[number]}
                for number, kind in enumerate(("open", "close"))
            ],
        },
        st.lists(st.text("abc1", min_size=1, max_size=3), min_size=2),
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
    ),
    max_size=4,
)


@given(SEGMENTS)
def test_each_segment_has_a_translation_with_its_spans(segments):
    def ids(spans):
        return [(span["type"], span["id"]) for span in spans]

    for translate in (identity, upper, reversed_words):
        results = mtkit.translate_segments(segments, translate)
        assert len(results) == len(segments)
        for segment, result in zip(segments, results, strict=True):
            assert sorted(result["text"].lower().split()) == sorted(segment["text"].split())
            assert ids(result["spans"]) == ids(segment["spans"])
            positions = [span["position"] for span in result["spans"]]
            assert positions == sorted(positions) and positions[-1] <= len(result["text"])
            if translate is identity:
                assert result["spans"] == segment["spans"]


def test_a_file_of_segments_gets_translations(tmp_path):
    lines = [
        '{"id": 7, "text": "one {x}"}',
        "",
        f" {json.dumps(BOLD)} ",
        '{"text": "12"}',
        '{"text": ""}',
    ]
    data = "\r\n".join(lines)
    out, report = translated(tmp_path, "a.jsonl", data, careful, format="segments")
    written = out.decode().split("\r\n")
    assert len(written) == 5 and written[1] == ""
    assert (
        written[0]
        == '{"id": 7, "text": "one {x}", "translation": {"text": "ONE {x}", "spans": []}}'
    )
    objects = [json.loads(line) for line in written if line]
    assert [one.pop("translation")["text"] for one in objects][2:] == ["12", ""]
    assert objects == [json.loads(line) for line in lines if line]
    assert (report.format, report.n_segments, report.n_changed) == ("segments", 2, 2)


def span(kind, **values):
    return {"type": kind, "id": "1", **values}


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ({}, "segment 1: has no text"),
        ({"text": "a\nb"}, "segment 1: its text has several lines"),
        ({"text": "a", "spans": {}}, "segment 1: its spans are not a list of objects"),
        ({"text": "a", "spans": [span("empty")]}, "span 1: its position is not a number from 0 to 1"),
        ({"text": "a", "spans": [span("empty", position=2)]}, "not a number from 0 to 1"),
        ({"text": "a", "spans": [span("empty", position=True)]}, "not a number from 0 to 1"),
        ({"text": "a", "spans": [span("tag", position=1)]}, "has no type open, close, empty"),
        ({"text": "a", "spans": [span("open", position=1)]}, "span 1 is not closed"),
        ({"text": "a", "spans": [span("close", position=1)]}, "does not close the last span"),
        ({"text": "a", "spans": [span("protected", begin=1, end=1)]}, "is empty, or overlaps"),
        ({"text": "a", "spans": [span("empty", position=1), span("empty", position=0)]}, "precedes"),
        (
            {"text": "abc", "spans": [span("protected", begin=0, end=2), span("empty", position=1)]},
            "a protected span contains another one",
        ),
    ],
)  # fmt: skip
def test_invalid_segments_are_refused(segment, message):
    with pytest.raises(MtkitError) as info:
        mtkit.translate_segments([segment], upper)
    assert message in info.value.message and "\n" not in info.value.message + info.value.hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: broken JSON"),
        ("[]", "line 2: is not an object, or has a translation"),
        ('{"text": "a", "translation": 1}', "line 2: is not an object, or has a translation"),
        ('{"text": 1}', "line 2: has no text"),
    ],
)
def test_invalid_lines_are_refused(tmp_path, line, message):
    with pytest.raises(MtkitError) as info:
        translated(tmp_path, "a.jsonl", f"\n{line}\n", upper, format="segments")
    assert message in info.value.message

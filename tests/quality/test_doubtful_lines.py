"""Flags on doubtful translations, recognized without references."""

import json

import pytest

from mtkit.errors import MtkitError
from mtkit.quality.doubtful_lines import find_doubts, flag_lines, summary

SRC = "Ein Mann mit 25 Hunden wohnt in der Nähe des Flusses."
TGT = "A man with 25 dogs lives close to the river."
PAIRS = [(SRC, TGT)] * 20
"""Enough lines to know how long translations are."""


def doubts(source, translation, **options):
    sources, translations = zip(*PAIRS, (source, translation), strict=True)
    return find_doubts(sources, translations, **options)[-1]


@pytest.mark.parametrize(
    ("translation", "expected"),
    [
        (TGT, []),
        ("A man who has 25 dogs lives near the river!", []),
        (" ", ["empty"]),
        (SRC, ["copied"]),
        ("A man with 25 dogs lives close to the the the the the the river.", ["looping"]),
        ("A man with 25.", ["cut short"]),
        (f"{TGT} Then something else happened, and he went home with all of them.", ["too long"]),
        ("A man with 25 dogs живёт рядом с рекой.", ["wrong script"]),
        ("A man with 25 dogs lives close to the river", ["end punctuation lost"]),
        ("A man with many dogs lives close to the river.", ["number lost"]),
    ],
)
def test_each_fault_is_found_alone(translation, expected):
    assert doubts(SRC, translation) == expected


def test_a_blank_line_has_no_doubts():
    assert doubts("", "") == []


def test_lengths_are_relative_to_those_of_the_other_lines():
    """Half of the characters of the source are usual where all lines have so many."""
    src = ["word " * 12] * 30
    assert find_doubts(src, ["단어 " * 8] * 29 + ["단어"], langs=("en", "ko"))[-1] == ["cut short"]
    assert find_doubts(src, ["단어 " * 8] * 30) == [[]] * 30


def test_scripts_of_names_in_the_source_are_no_doubt():
    src, tgt = ["그는 애플에서 일한다"] * 20, ["He works at Apple"] * 20
    assert find_doubts([*src, "iPhone 출시"], [*tgt, "iPhone 출시일"])[-1] == ["wrong script"]
    assert find_doubts([*tgt, "Tim Кук"], [*src, "팀 Кук"], langs=("en", "ko"))[-1] == []


def test_few_lines_have_no_length(caplog):
    assert find_doubts([SRC], ["A."]) == [["number lost"]]
    assert "too few lines" in caplog.text


@pytest.mark.parametrize(("share", "n_low"), [(0, 0), (0.04, 0), (0.1, 2), (0.2, 4), (1, 20)])
def test_the_lowest_scores_are_flagged(share, n_low):
    sources = ["a"] * 20 + [""]
    scores = [float(i * 7 % 20) for i in range(20)] + [-9.0]
    found = find_doubts(sources, ["b"] * 20 + [""], {"reverse": scores}, share=share)
    assert [bool(flags) for flags in found] == [score < n_low for score in scores[:-1]] + [False]
    assert {name for flags in found for name in flags} <= {"low reverse"}


def test_lines_of_different_number_are_refused():
    with pytest.raises(MtkitError, match="2 sources, but 1 translation"):
        find_doubts(["a", "b"], ["c"])


def test_formats_and_summary():
    pairs, flags = [("a", "b"), ("c", "c")], [[], ["copied", "low forward"]]
    scores = {"forward": [-0.5, -1.25], "LM": [3.0, 4.0]}
    assert list(flag_lines(pairs, flags, scores, "tsv")) == [
        "\t-0.5000\t3.0000",
        "copied,low forward\t-1.2500\t4.0000",
    ]
    assert json.loads(list(flag_lines(pairs, flags, scores, "jsonl"))[1]) == {
        "source": "c",
        "translation": "c",
        "flags": ["copied", "low forward"],
        "scores": {"forward": -1.25, "LM": 4.0},
    }
    assert summary(flags) == "1 of 2 lines flagged: 1 copied, 1 low forward"
    assert summary([[], []]) == "0 of 2 lines flagged"

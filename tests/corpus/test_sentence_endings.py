"""Endings are learned where the training lines show them, and only there."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.corpus.sentence_endings import learn_endings, split_after_endings

SUBJECTS = ("나는", "그는", "우리는", "바다도")
LINES = [
    f"{who} {where} {what}"
    for who in SUBJECTS
    for where in ("학교에", "집에")
    for what in ("간다", "왔니", "산다.")
]


def test_endings_are_those_that_no_word_within_a_line_has():
    # The last syllable alone would do for 니, but 다 is one of 바다, which stands within lines.
    assert set(learn_endings(LINES)) == {"니", "간다", "산다"} or set(learn_endings(LINES)) == {
        "니",
        "다",
    }
    endings = frozenset(learn_endings(LINES))
    assert split_after_endings(["나는 학교에 간다 그는 집에 왔니 바다도 산다"], endings) == [
        "나는 학교에 간다 ",
        "그는 집에 왔니 ",
        "바다도 산다",
    ]


def test_no_endings_from_punctuated_lines():
    assert learn_endings([f"{line.rstrip('.')}." for line in LINES * 4]) == ()
    assert learn_endings([]) == ()
    assert split_after_endings(["나는 간다 그는 간다"], frozenset()) == ["나는 간다 그는 간다"]


def test_nothing_is_lost_and_sentences_stay_split():
    found = split_after_endings(["나는 간다  그는 간다. ", "산다 "], frozenset({"간다", "산다"}))
    assert found == ["나는 간다  ", "그는 간다. ", "산다 "]


def naive_split(sentence, endings):
    """Split after each white space within a sentence that follows an ending."""
    parts = re.split(r"(?<=\S)(\s+)(?=\S)", sentence)
    found = [parts[0]]
    for space, word in zip(parts[1::2], parts[2::2], strict=True):
        found[-1] += space
        if found[-1].strip().endswith(tuple(endings)):
            found.append(word)
        else:
            found[-1] += word
    return found


@given(
    words=st.lists(
        st.sampled_from(["간다", "다", "가", "a", "집에.", " ", "  ", "\u3000"]), max_size=9
    )
)
def test_splits_after_each_word_with_an_ending(words):
    sentence, endings = " ".join(words), frozenset({"간다", "a"})
    assert split_after_endings([sentence], endings) == naive_split(sentence, endings)


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("tatoeba-de-en/train.de.gz", "tatoeba-de-en/test.de"),
        ("multi30k/train.fr.gz", "multi30k/test_2016_flickr.fr"),
    ],
)
def test_languages_without_sentence_endings_split_no_lines(shared_data, name, test):
    with gzip.open(shared_data / name, "rt", encoding="utf-8", newline="\n") as file:
        # Without their punctuation, so that endings are looked for at all.
        endings = frozenset(learn_endings([line.rstrip(".!?\n ") for line in file]))
    lines = (shared_data / test).read_text(encoding="utf-8").split("\n")[:-1]
    n_split = sum(len(split_after_endings([line], endings)) > 1 for line in lines)
    assert n_split < 0.01 * len(lines)

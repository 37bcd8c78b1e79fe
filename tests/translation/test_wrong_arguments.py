"""What callers of the Python functions pass by mistake is one clear error, or does what it says."""

import pytest

from mtkit.evaluation.metrics import evaluate
from mtkit.translation.line_constraints import LineConstraints
from mtkit.translation.translator import Translator

LINES = ["나는 학교에 간다", "그는 집에 간다", "물"]


def texts_of(translations):
    return [translation.text for translation in translations]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prefixes": "I a"}, "prefixes: expected a list of prefixes, not one text"),
        (
            {"prefixes": {"I": 1, "a": 2, "b": 3}},
            "prefixes: expected a list of prefixes, not of type dict",
        ),
        ({"prefixes": ["I", 3, ""]}, "prefixes: item 2 is of type int, not a text"),
        (
            {"constraints": {"must": ["house"]}},
            "constraints: expected a list of constraints, not of type dict",
        ),
        ({"constraints": "abc"}, "constraints: expected a list of constraints, not one text"),
        ({"avoid": "house"}, "avoid: expected a list of texts, not one text"),
        ({"avoid": [None]}, "avoid: item 1 is None, not a text"),
        ({"unk_dictionary": ["house"]}, "unk_dictionary is of type list, not a Mapping"),
        (
            {"unk_dictionary": {"house": None}},
            "unk_dictionary's values: item 1 is None, not a text",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_other_than_a_list_of_texts_is_refused(translator, arguments, message):
    for translate in (translator.translate, translator.stream):
        with pytest.raises(TypeError) as caught:
            list(translate(LINES, **arguments))
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("ab", "expected a list of texts, not one text"),
        (b"ab", "expected a list of texts, not one text"),
        (None, "expected a list of texts, not None"),
        ({"a"}, "expected a list of texts, not of type set"),
        (["a", None], "item 2 is None, not a text"),
        (["a", ["b"]], "item 2 is of type list, not a text"),
    ],
    ids=repr,
)
def test_list_without_texts_is_refused(translator, texts, message):
    calls = [
        translator.translate,
        lambda given: list(translator.stream(given)),
        lambda given: translator.score(given, ["a", "b"]),
        lambda given: translator.score(["a", "b"], given),
    ]
    for call in calls:
        with pytest.raises(TypeError) as caught:
            call(texts)
        assert message in str(caught.value)


def test_any_iterable_is_a_list(translator):
    expected = texts_of(translator.translate(LINES))
    assert texts_of(translator.translate(line for line in LINES)) == expected
    assert texts_of(translator.translate(tuple(LINES))) == expected
    assert translator.translate(iter([])) == []
    assert translator.score(iter(LINES), iter(LINES)) == translator.score(LINES, LINES)
    scores = evaluate(["a b c d"], ["a b c d"], iter(["chrf"]))  # pyright: ignore[reportArgumentType]
    assert scores.chrf == evaluate(["a b c d"], ["a b c d"], ["chrf"]).chrf


def test_none_as_a_prefix_is_no_prefix(translator):
    found = texts_of(translator.translate(LINES, prefixes=[None, "I go", None]))
    assert found == texts_of(translator.translate(LINES, prefixes=["", "I go", ""]))
    assert (
        texts_of(translator.translate(LINES, prefixes=iter([None, "I go", None]), avoid=None))
        == found
    )  # pyright: ignore[reportArgumentType]


def test_words_to_avoid_may_come_from_a_generator_in_every_chunk(translator):
    words = {
        word
        for text in texts_of(translator.translate(LINES))
        for word in text.split()
        if word.isalpha()
    }
    found = texts_of(translator.stream(LINES, chunk_lines=1, avoid=(word for word in words)))
    assert not words & {word for text in found for word in text.split()}


def test_prefix_of_constraints_is_used(translator):
    wishes = [LineConstraints(prefix="I go"), None, LineConstraints(prefix="The")]
    assert texts_of(translator.translate(LINES, constraints=wishes)) == texts_of(
        translator.translate(LINES, prefixes=["I go", "", "The"])
    )


@pytest.mark.parametrize("pair", [("a",), ("a", "b", "c"), "ab", ("a", None)])
def test_other_than_pairs_of_texts_is_refused(translator, pair):
    with pytest.raises(TypeError, match="pairs: item 2 is not a pair of texts"):
        list(translator.pair_scorer.stream([("a", "b"), pair], translator.search_config()))


def test_numbers_out_of_range_are_refused(translator, make_trained):
    with pytest.raises(ValueError, match=r"chunk_lines \(0\) is below 1"):
        translator.pair_scorer.stream([("a", "b")], translator.search_config(), chunk_lines=0)
    with pytest.raises(TypeError, match=r"chunk_lines \(1.5\) is not a whole number"):
        translator.stream(LINES, chunk_lines=1.5)
    for n_workers in (0, -1):
        with pytest.raises(ValueError, match="n_workers"):
            Translator.from_models([make_trained()], n_workers)


def test_models_to_load_are_paths():
    for wrong, message in (
        ([], "no model to translate with"),
        (None, "a list of directories"),
        ([None], "None is not a path"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            Translator.load(wrong)  # pyright: ignore[reportArgumentType]

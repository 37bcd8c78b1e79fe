"""Prefixes, constraints, tags and ways of searching, from text to text."""

import re

import pytest

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.line_constraints import (
    UNCONSTRAINED,
    LineConstraints,
    parse_constraints,
    with_constraints,
)
from mtkit.translation.translator import Translator


@pytest.fixture(scope="module")
def sources(ko_en_pairs):
    return [pair.src for pair in ko_en_pairs[:12]]


def texts_of(translations):
    return [translation.text for translation in translations]


def has_word(text, word):
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", text) is not None


@pytest.mark.parametrize("beam_size", [1, 3])
def test_output_begins_with_the_prefix(translator, sources, beam_size):
    prefixes = ["I go", "", "The  book", "  ", "물 and", "x" * 200, *[""] * 6]
    found = texts_of(translator.translate(sources, prefixes=prefixes, beam_size=beam_size))
    plain = texts_of(translator.translate(sources, beam_size=beam_size))
    for prefix, text, other in zip(prefixes, found, plain, strict=True):
        assert text.startswith(translator.tokenizer.tgt.normalize(prefix).strip())
        if not prefix.strip():
            assert text == other
    assert found == texts_of(
        translator.stream(sources, chunk_lines=5, prefixes=iter(prefixes), beam_size=beam_size)
    )


def test_score_with_a_prefix_is_that_of_the_whole_translation(copier, ko_en_pairs):
    copying = copier()
    text = ko_en_pairs[0].tgt
    [free], [forced] = (
        copying.translate([text]),
        copying.translate([text], prefixes=[text[: len(text) // 2]]),
    )
    # Its own beginning forced upon it, it has the same score.
    if (
        copying.tokenizer.tgt.encode([text])[0][:2]
        == copying.tokenizer.tgt.encode([text[: len(text) // 2]])[0][:2]
    ):
        assert forced.text.startswith(text[: len(text) // 2])
    [whole] = copying.translate([text], prefixes=[text])
    assert whole.text == free.text == text
    assert whole.score == pytest.approx(free.score)


def test_words_that_must_appear_do_and_words_that_must_not_do_not(translator, sources):
    constraints = [
        {"must": ["Seoul", "the book"]},
        None,
        {"must_not": ["in"]},
        LineConstraints(must=("ΩΩ",)),
        *[{"must": ["나무"]}] * 8,
    ]
    found = texts_of(translator.translate(sources, constraints=constraints, beam_size=4))
    assert has_word(found[0], "Seoul")
    assert "the book" in found[0]
    assert "ΩΩ" in found[3]
    assert all(re.search(r"(?<![^\W_])나무", text) for text in found[4:])
    assert found[1] == texts_of(translator.translate(sources[1:2], beam_size=4))[0]


@pytest.mark.parametrize("settings", [{"beam_size": 1}, {"beam_size": 4}, {"sampling": True}])
def test_avoided_words_do_not_appear_with_any_search_strategy(translator, sources, settings):
    banned: list[str] = []
    for _ in range(3):
        words = {
            word
            for text in texts_of(translator.translate(sources, avoid=banned, **settings))
            for word in re.findall(r"[^\W_]+", text)
        }
        assert words
        assert not words & set(banned)
        banned += sorted(words)[::2]


def test_line_in_parts_has_its_words_once_and_its_prefix_first(copier, ko_en_pairs):
    copying = copier(max_length=12)
    line = " ".join(pair.tgt for pair in ko_en_pairs[:6])
    [found] = copying.translate(
        [line], prefixes=["Look:"], constraints=[{"must": ["Seoul"]}], beam_size=4
    )
    assert found.text.startswith("Look:")
    assert len(re.findall("Seoul", found.text)) == 1 + line.count("Seoul")


def test_a_tag_before_translations_is_not_part_of_them(make_trained, ko_en_pairs, sources):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, user_symbols=("<2en>",))
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    trained = make_trained(tokenizer=Tokenizer(joint, joint))
    plain, tagged = (
        Translator.from_models([trained], 1),
        Translator.from_models([trained], 1, tgt_tags=["<2en>"]),
    )
    by_hand = texts_of(plain.translate(sources, prefixes=["<2en>"] * len(sources), min_length=3))
    found = texts_of(tagged.translate(sources, min_length=1))
    assert not any("<2en>" in text for text in found)
    assert all(found)
    # The tag alone differs: by hand it is a part of the text.
    assert [text.removeprefix("<2en>").strip() for text in by_hand] != texts_of(
        plain.translate(sources)
    )
    assert texts_of(tagged.translate(sources[:2], prefixes=["I go", ""]))[0].startswith("I go")
    with pytest.raises(MtkitError, match="<2fr>"):
        Translator.from_models([trained], 1, tgt_tags=["<2fr>"])


def test_samples_do_not_depend_on_batches_order_or_workers(make_trained, sources):
    trained = make_trained()
    settings = {"sampling": True, "n_best": 3, "seed": 5}
    expected = Translator.from_models([trained], 1).translate(sources, **settings)
    assert all(len({a.text for a in translation.alternatives}) > 1 for translation in expected)
    for n_workers, max_tokens in (1, 1), (2, 100), (1, 100_000):
        found = Translator.from_models([trained], n_workers).translate(
            sources[::-1], max_tokens=max_tokens, **settings
        )
        assert [[a.text for a in translation.alternatives] for translation in found[::-1]] == [
            [a.text for a in t.alternatives] for t in expected
        ]
    assert texts_of(
        Translator.from_models([trained], 1).translate(sources, sampling=True, seed=6)
    ) != texts_of(expected)


def test_every_strategy_returns_the_n_best(translator, sources):
    constraints = [{"must": ["Seoul"]}] * len(sources)
    for settings in (
        {"n_groups": 4},
        {"no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.5},
        {"constraints": constraints},
        {"prefixes": ["I"] * len(sources)},
        {"sampling": True, "temperature": 0.7, "top_p": 0.9},
        {"avoid": ["the"]},
        {"coverage_penalty": 0.3},
        {"coverage_penalty": 0.3, "n_groups": 2},
        {"mbr": 6, "sampling": True},
        {"mbr": 5, "n_groups": 2, "prefixes": ["I"] * len(sources)},
    ):
        found = translator.translate(sources, beam_size=4, n_best=3, **settings)
        for translation in found:
            # By minimum Bayes risk equal texts count once.
            assert len(translation.alternatives) == 3 or "mbr" in settings
            assert translation.alternatives[0] == (translation.text, translation.score)
            scores = [alternative.score for alternative in translation.alternatives]
            assert scores == sorted(scores, reverse=True) or (
                "sampling" in settings and "mbr" not in settings
            )


def test_the_log_mean_of_a_model_with_itself_is_the_model(make_trained, sources):
    alone = Translator.from_models([make_trained(1)], 1).translate(sources)
    twice = Translator.from_models([make_trained(1), make_trained(1)], 1).translate(
        sources, ensemble="log_mean"
    )
    assert texts_of(twice) == texts_of(alone)
    assert [t.score for t in twice] == pytest.approx([t.score for t in alone], abs=1e-4)
    mixed = Translator.from_models([make_trained(1), make_trained(2)], 1)
    assert texts_of(mixed.translate(sources, ensemble="log_mean")) != texts_of(
        mixed.translate(sources)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 5}, "top_k has no effect without sampling"),
        ({"diversity": 1.0}, "diversity has no effect with one group"),
        ({"mbr_utility": "bleu"}, "mbr_utility has no effect without mbr"),
        ({"sampling": True, "n_groups": 2}, "n_groups (2) needs beam search"),
        ({"sampling": True, "coverage_penalty": 0.2}, "coverage_penalty (0.2) needs beam search"),
        ({"n_groups": 2, "beam_size": 3}, "n_groups (2) does not divide beam_size (3)"),
        ({"max_length": 2, "min_length": 3}, "max_length (2) is less than min_length (3)"),
        (
            {"sampling": True, "constraints": [{"must": ["a"]}]},
            "words that must appear need a plain beam",
        ),
        (
            {"n_groups": 3, "constraints": [{"must": ["a"]}]},
            "words that must appear need a plain beam",
        ),
        ({"prefixes": []}, "0 prefixes, but more lines to translate"),
        ({"prefixes": ["a", "b"]}, "more prefixes than the 1 lines"),
        ({"constraints": [{"must": "a"}]}, "constraints of line 1: must is not a list of texts"),
        ({"constraints": [{"musst": ["a"]}]}, "constraints of line 1: has a key 'musst'"),
        ({"constraints": [["a"]]}, "constraints of line 1: is not an object"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_contradictory_constraints_are_reported(translator, options, message):
    with pytest.raises(MtkitError) as caught:
        translator.translate(["나는 학교에 간다"], **options)
    assert message in caught.value.message
    assert caught.value.hint


def test_a_prefix_that_cannot_be_written_is_refused(make_trained, ko_en_pairs, sources):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, byte_fallback=False)
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    translator = Translator.from_models([make_trained(tokenizer=Tokenizer(joint, joint))], 1)
    with pytest.raises(MtkitError, match="prefix 'I Ω': the model's vocabulary cannot write it"):
        translator.translate(sources[:2], prefixes=["I", "I Ω"])


def test_a_prefix_and_a_phrase_that_are_written_otherwise_are_named(make_trained, sources, caplog):
    translator = Translator.from_models([make_trained()], 1)
    # e and a combining accent, which every normalization makes one character.
    translator.translate(
        sources[:3],
        prefixes=["a  b", "cafe\u0301", "ole\u0301"],
        constraints=[{"must": ["a  b"]}, {"must": ["pate\u0301"]}, None],
    )
    assert [message for message in caplog.messages if "tokenizer writes" in message] == [
        "this model's tokenizer writes the prefix 'cafe\u0301' as 'caf\u00e9'; other prefixes may change as well",
        "constraints: this model's tokenizer writes 'pate\u0301' as 'pat\u00e9'",
    ]


def test_constraints_of_a_file():
    assert parse_constraints('{"must": ["a b", "c"], "must_not": []}', 1) == LineConstraints(
        "", ("a b", "c"), ()
    )
    assert parse_constraints("  ", 1) == parse_constraints("null", 1) == UNCONSTRAINED
    for line, message in (
        ("{", "is not valid JSON"),
        ('{"must": [1]}', "must is not a list of texts"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"must": ["a"], "must": ["b"]}', "has the key 'must' twice"),
    ):
        with pytest.raises(MtkitError, match=message) as caught:
            parse_constraints(line, 7, "c.jsonl")
        assert "`c.jsonl`, line 7" in caught.value.message


def test_constraints_are_read_in_step_with_lines():
    n_read = 0

    def endless():
        nonlocal n_read
        while True:
            n_read += 1
            yield f"prefix {n_read}"

    wished = with_constraints([["a", "b"], ["c"]], endless(), None, ["x"])
    assert next(wished) == (
        ["a", "b"],
        [LineConstraints("prefix 1", (), ("x",)), LineConstraints("prefix 2", (), ("x",))],
    )
    assert n_read == 2

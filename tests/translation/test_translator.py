"""N lines in, N lines out, in order, whatever they hold and however they are batched."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.config.shortlist import ShortlistConfig
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.engines.torch_engine import TorchEngine
from mtkit.errors import MtkitError
from mtkit.search.shortlist.build import make_shortlist, store_of_pairs
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.line_search import default_chunk_lines
from mtkit.translation.long_lines import Limits, split_line
from mtkit.translation.result import Alternative
from mtkit.translation.translator import Translator
from tests.strategies import nasty_text

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# U+001C to U+001F and U+0085 are white space to Python, but not to all of SentencePiece's
# normalizations.
blanks = st.sampled_from(
    ["", " ", "\t", "  \t ", "\r", "\u3000", "\xa0", "\u2028", "\x0b", "\x1c", "\x1f"]
)


@pytest.fixture(scope="module")
def lines(ko_en_pairs):
    """Lines of many lengths, blank and far too long ones among them."""
    korean = [pair.src for pair in ko_en_pairs[:18]]
    return [
        *korean,
        "",
        korean[3],
        " ".join(korean),
        "   ",
        *(" ".join(korean[i : i + 3]) for i in range(5)),
    ]


def texts_of(translations):
    return [translation.text for translation in translations]


@few
@given(texts=st.lists(st.one_of(nasty_text, blanks), max_size=8))
def test_as_many_lines_out_as_in_each_of_one_line(translator, texts):
    found = translator.translate(texts)
    assert len(found) == len(texts)
    for text, translation in zip(texts, found, strict=True):
        assert translation.text.count("\n") <= text.count("\n")
        assert "\r" not in translation.text.replace("\r\n", "\n")
        assert translation.alternatives[0] == (translation.text, translation.score)
        assert translation.score <= 0.0


def test_a_lone_carriage_return_between_lines_is_dropped(translator):
    [one] = translator.translate(["\n\r\r\n\u200d"])
    assert one.text == "\n\r\n\u200d"


@few
@given(
    texts=st.lists(st.one_of(nasty_text, blanks), max_size=10),
    beam_size=st.integers(1, 3),
    max_tokens=st.integers(1, 200),
)
def test_lines_keep_their_order(copier, texts, beam_size, max_tokens):
    copying = copier(max_length=1000)
    texts = [text.replace("\n", " ") for text in texts]
    found = copying.translate(
        texts,
        beam_size=beam_size,
        max_tokens=max_tokens,
        split_sentences="never",
        copy_untranslatable=False,
    )
    # What is all white space to Python is a blank line, also where the tokenizer has a piece for
    # it, as for U+0085.
    assert texts_of(found) == [
        copying.tokenizer.src.normalize(text) if text.strip() else "" for text in texts
    ]


@few
@given(blank=blanks, others=st.lists(st.sampled_from(["나는 학교에 간다.", "물"]), max_size=2))
def test_a_blank_line_stays_blank(translator, blank, others):
    found = translator.translate([*others, blank, *others])[len(others)]
    assert found[:3] == ("", 0.0, (Alternative("", 0.0),)) and found.flags == ()


@pytest.mark.parametrize("normalization", ["nmt_nfkc", "nfkc", "identity"])
def test_blank_line_stays_blank_with_any_tokenizer(make_trained, ko_en_pairs, normalization):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, normalization=normalization)
    joint = Subword(train_subword((pair.src for pair in ko_en_pairs[:50]), config))
    translator = Translator.from_models(
        [make_trained(tokenizer=Tokenizer(joint, joint))], n_workers=1
    )
    blank = [" ", "\x85", "\t", "\u3000", "\u2028 ", "\x1f", "\t" * 50]
    assert texts_of(translator.translate(blank)) == [""] * len(blank)


def test_empty_input_gives_empty_output(translator):
    assert translator.translate([]) == []
    assert list(translator.stream([])) == []


@pytest.mark.parametrize("tgt_lang", ["en", "ja"])
@pytest.mark.parametrize("max_length", [5, 20])
def test_a_long_line_is_translated_in_parts_and_nothing_is_left_out(
    copier, ko_en_pairs, max_length, tgt_lang
):
    copying = copier(max_length, tgt_lang)
    encode, normalize = copying.tokenizer.src.encode, copying.tokenizer.src.normalize

    def parts_of(text):
        spans = split_line(
            text,
            lambda texts: [len(ids) for ids in encode(texts)],
            Limits(max_length),
            copying.line_search.source_encoder._sentences,
        )
        return [text[span.begin : span.end] for span in spans]

    long = " ".join(f"{pair.src} {pair.tgt}" for pair in ko_en_pairs[:12])
    texts = [ko_en_pairs[0].tgt, long, ko_en_pairs[1].tgt]
    before, found, after = copying.translate(texts)
    assert found.text.replace(" ", "") == normalize(long).replace(" ", "")
    assert found.text == (" " if tgt_lang == "en" else "").join(map(normalize, parts_of(long)))
    if max_length == 20:  # then no word of these had to be cut
        assert texts_of([before, after]) == [normalize(texts[0]), normalize(texts[2])]
    assert sorted(copying.engine.scorer.seen) == sorted(
        ids for text in texts for ids in encode(parts_of(text))
    )
    assert max(map(len, copying.engine.scorer.seen)) <= max_length
    assert found.alternatives == ((found.text, found.score),)


def test_line_of_exactly_the_maximum_length_is_not_split(copier, ko_en_pairs):
    text = ko_en_pairs[5].tgt
    n_tokens = len(copier().tokenizer.src.encode([text])[0])
    for max_length, n_parts in (n_tokens, 1), (n_tokens - 1, 2):
        copying = copier(max_length)
        copying.translate([text])
        assert len(copying.engine.scorer.seen) == n_parts


def test_stream_equals_translate(translator, lines):
    expected = translator.translate(lines)
    for chunk_lines in (1, 7, 4000):
        found = list(translator.stream(iter(lines), chunk_lines=chunk_lines))
        assert texts_of(found) == texts_of(expected)
        assert [t.score for t in found] == pytest.approx([t.score for t in expected], abs=1e-4)


def test_a_gpu_takes_more_lines_at_a_time(copier):
    assert default_chunk_lines("cuda") == default_chunk_lines("cuda:1") == 20_000
    assert default_chunk_lines("cpu") == copier().chunk_lines == 4_000


def test_stream_takes_as_many_lines_as_suit_the_device(copier):
    copying = copier()
    copying.chunk_lines = 3
    taken = []
    lines = (taken.append(number) or f"line {number}" for number in range(7))
    stream = copying.stream(lines)
    for number, n_taken in enumerate([3, 3, 3, 6, 6, 6, 7]):
        assert next(stream).text == f"line {number}"
        assert len(taken) == n_taken


def test_stream_reads_no_more_than_it_needs(copier):
    n_read = 0

    def endless():
        nonlocal n_read
        for n_read in itertools.count(1):
            yield f"line {n_read}"

    stream = copier().stream(endless(), chunk_lines=5)
    assert n_read == 0
    for number in range(1, 13):
        assert next(stream).text == f"line {number}"
        assert n_read == -(-number // 5) * 5
    stream.close()
    one_by_one = copier().stream(endless(), chunk_lines=1)
    assert next(one_by_one).text == "line 1"
    assert n_read == 1


def test_progress_counts_every_line_once(translator, lines):
    told = []
    found = list(translator.stream(lines, chunk_lines=10, on_lines=told.append))
    assert sum(told) == len(found) == len(lines)
    assert len(told) > len(lines) / 10
    assert min(told) >= 0


@pytest.mark.parametrize("beam_size", [1, 4])
def test_batches_and_workers_change_nothing(make_trained, lines, beam_size):
    trained = make_trained()
    expected = Translator.from_models([trained], n_workers=1).translate(lines, beam_size=beam_size)
    assert len(set(texts_of(expected))) > len(lines) // 2  # else equal texts would say little
    for n_workers, max_tokens in (2, 4096), (2, 64), (1, 1), (1, 300), (5, 100_000):
        found = Translator.from_models([trained], n_workers=n_workers).translate(
            lines, beam_size=beam_size, max_tokens=max_tokens
        )
        assert texts_of(found) == texts_of(expected)
        assert [t.score for t in found] == pytest.approx([t.score for t in expected], abs=1e-4)


def test_worker_error_is_raised(make_trained, lines, monkeypatch):
    translator = Translator.from_models([make_trained()], n_workers=2)
    assert isinstance(translator.engine, TorchEngine)
    monkeypatch.setattr(translator.engine.scorer, "step", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        translator.translate(lines)


def test_n_best_scores_are_descending(translator, lines):
    for line, found in zip(lines, translator.translate(lines, beam_size=4, n_best=3), strict=True):
        scores = [alternative.score for alternative in found.alternatives]
        assert scores == sorted(scores, reverse=True)
        assert found.alternatives[0] == (found.text, found.score)
        assert len(found.alternatives) == (3 if line.strip() else 1)
        assert len({alternative.text for alternative in found.alternatives}) > 1 or not line.strip()


def test_the_best_is_the_same_alone_and_among_the_n_best(translator, lines):
    # Without a length penalty a search for more finds nothing better.
    one = translator.translate(lines, beam_size=4, alpha=0.0)
    three = translator.translate(lines, beam_size=4, alpha=0.0, n_best=3)
    assert texts_of(one) == texts_of(three)


def test_settings_of_the_model_are_the_defaults(make_trained, lines):
    translator = Translator.from_models([make_trained()], n_workers=1)
    assert texts_of(translator.translate(lines)) == texts_of(
        translator.translate(lines, beam_size=3, alpha=None)
    )
    assert texts_of(translator.translate(lines)) != texts_of(
        translator.translate(lines, beam_size=1)
    )
    short = translator.translate(lines[:3], max_length_ratio=1e-6, max_length_extra=2)
    assert all(len(ids) <= 3 for ids in translator.tokenizer.tgt.encode(texts_of(short)))


def test_an_ensemble_of_a_model_with_itself_is_the_model(make_trained, lines):
    alone = Translator.from_models([make_trained(1)], n_workers=1).translate(lines)
    twice = Translator.from_models([make_trained(1), make_trained(1)], n_workers=1).translate(lines)
    other = Translator.from_models([make_trained(1), make_trained(2)], n_workers=1).translate(lines)
    assert texts_of(twice) == texts_of(alone) != texts_of(other)
    assert [t.score for t in twice] == pytest.approx([t.score for t in alone], abs=1e-4)


def test_an_ensemble_of_models_of_different_size(make_trained, lines):
    mixed = Translator.from_models(
        [make_trained(1), make_trained(2, d_model=32, n_encoder_layers=2, positions="rotary")],
        n_workers=1,
    )
    assert len(mixed.translate(lines)) == len(lines)


def test_an_ensemble_of_different_tokenizers_is_refused(make_trained, ko_en_pairs):
    joint = Subword(
        train_subword((pair.tgt for pair in ko_en_pairs), TokenizerConfig(vocab_size=600))
    )
    with pytest.raises(MtkitError, match="do not share one tokenizer") as caught:
        Translator.from_models([make_trained(), make_trained(tokenizer=Tokenizer(joint, joint))])
    assert caught.value.hint


def test_an_ensemble_of_different_languages_is_refused(make_trained):
    with pytest.raises(MtkitError):
        Translator.from_models([make_trained(), make_trained(tgt_lang="ja")])


def test_an_ensemble_takes_lines_as_long_as_all_its_models_can(make_trained, lines):
    small = make_trained(max_length=20, positions="learned", max_positions=64)
    assert len(
        Translator.from_models([make_trained(max_length=100), small], n_workers=1).translate(lines)
    ) == len(lines)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"beam_size": 2, "n_best": 3}, "n_best (3) is more than beam_size (2)"),
        ({"beam_size": 0}, "beam_size (0) must be more than 0"),
        ({"beam_size": "many"}, "beam_size ('many') is not a whole number"),
        ({"length_penalty": "max"}, "length_penalty ('max') must be wu, mean or none"),
        (
            {"alpha": -1.0, "max_tokens": 0},
            "alpha (-1.0) must be at least 0; max_tokens (0) must be more than 0",
        ),
        ({"beamsize": 2}, "beamsize: no such key"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_invalid_settings_have_plain_messages(translator, overrides, message):
    for translate in (
        translator.translate,
        lambda texts, **overrides: list(translator.stream(texts, **overrides)),
    ):
        with pytest.raises(MtkitError) as caught:
            translate(["물"], **overrides)
        assert caught.value.message == f"search settings: {message}"
        assert caught.value.hint
        assert "\n" not in caught.value.message + caught.value.hint


def test_a_text_in_place_of_a_list_is_refused(translator):
    with pytest.raises(TypeError, match="a list of texts"):
        translator.translate("물")


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_line_that_fits_can_be_translated_to_the_greatest_length(
    make_trained, ko_en_pairs, positions, beam_size
):
    # The translation may have more pieces than the model has positions.
    translator = Translator.from_models(
        [make_trained(max_length=20, positions=positions, max_positions=21)], n_workers=1
    )
    line = " ".join(pair.src for pair in ko_en_pairs[:3])
    [found] = translator.translate([line], beam_size=beam_size, max_length_ratio=3.0)
    assert found.text


def test_shortlist_without_effect_is_reported_once(
    make_trained, tiny_tokenizer, ko_en_pairs, caplog
):
    with store_of_pairs(ko_en_pairs, tiny_tokenizer) as store:
        shortlist = make_shortlist(
            store, tiny_tokenizer, ShortlistConfig(n_candidates=5, n_frequent=30)
        )

    def told(shortlist, **settings):
        caplog.clear()
        translator = Translator.from_models([make_trained()], n_workers=1, shortlist=shortlist)
        for _ in range(2):
            translator.translate(["물", "나는 학교에 간다."], beam_size=1, **settings)
        return [
            message.partition("as it does with ")[2]
            for message in caplog.messages
            if "shortlist" in message
        ]

    for plain in {}, {"sampling": True, "top_k": 5}, {"prefixes": ["I", ""]}:
        assert told(shortlist, **plain) == []
    assert told(shortlist, no_repeat_ngram_size=3, avoid=["the"]) == [
        "no_repeat_ngram_size, words that must not appear"
    ]
    assert told(shortlist, repetition_penalty=1.2, sampling=True) == [
        "repetition_penalty, sampling without top_k"
    ]
    assert told(shortlist, constraints=[None, {"must": ["go"]}]) == ["words that must appear"]
    assert told(None, no_repeat_ngram_size=3) == []

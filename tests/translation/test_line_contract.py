"""N lines in, N lines out, whatever they hold and whatever the model makes of them; and what is
worth knowing of each.
"""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.checkpoint.model_config import TrainingLineStatistics
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.corpus.sentence_splitter import split_sentences
from mtkit.engines.torch_engine import TorchEngine
from mtkit.search.hypothesis import Hypothesis
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword
from mtkit.translation.postprocess import Postprocessor
from mtkit.translation.result import FlagCounts
from mtkit.translation.translator import Translator
from tests.strategies import nasty_text
from tests.translation.copying import CopyingScorer

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Scripted:
    """An engine that gives what it is told to, whatever the source; it notes how it was asked."""

    def __init__(self, *n_best):
        self.n_best = list(n_best)
        self.asked = []

    def search(self, request):
        self.asked.append((request.sources, request.config))
        request.on_batch(list(range(len(request.sources))))
        return [
            [Hypothesis(ids, -1.0 - i, -1.0 - i) for i, ids in enumerate(self.n_best)]
            for _ in request.sources
        ]


@pytest.fixture
def scripted(make_trained, tiny_tokenizer):
    """Makes a translator whose engine finds these texts, or ids."""

    def make(*n_best, **options):
        translator = Translator.from_models([make_trained(**options)], n_workers=1)
        translator.line_search.engine = Scripted(
            *(
                tiny_tokenizer.tgt.encode([one])[0] if isinstance(one, str) else one
                for one in n_best
            )
        )
        return translator

    return make


def byte_pieces(subword, text):
    return subword.lookup_ids([f"<0x{byte:02X}>" for byte in text.encode()])


@few
@given(
    ids=st.lists(st.integers(0, 599), min_size=1, max_size=30),
    lines=st.lists(nasty_text, min_size=1, max_size=4),
)
def test_no_line_end_and_no_tab_in_any_output(scripted, ids, lines):
    for text, found in zip(lines, scripted(ids).translate(lines), strict=True):
        for alternative in found.alternatives:
            assert not set("\r\t") & set(alternative.text.replace("\r\n", "\n"))
            assert alternative.text.count("\n") <= text.count("\n")
        if not text.strip():
            assert found.text == ""


@pytest.mark.parametrize("invented", ["a\tb", "a\nb", "a\r\nb", "\t", "\n"])
def test_bytes_that_would_break_lines_and_tables(scripted, tiny_tokenizer, invented):
    ids = tiny_tokenizer.tgt.encode(["I"])[0] + byte_pieces(tiny_tokenizer.tgt, invented)
    [found] = scripted(ids).translate(["물"])
    assert (
        found.text.split() == ["I" + invented.split()[0], *invented.split()[1:]]
        if invented.strip()
        else found.text.strip() == "I"
    )


@few
@given(texts=st.lists(nasty_text, max_size=6))
def test_a_tab_of_the_source_is_a_space(make_trained, ko_en_pairs, texts):
    config = TokenizerConfig(vocab_size=600, character_coverage=0.98, normalization="identity")
    joint = Subword(train_subword((pair.src for pair in ko_en_pairs[:50]), config))
    translator = Translator.from_models(
        [make_trained(max_length=1000, tokenizer=Tokenizer(joint, joint))], n_workers=1
    )
    translator.line_search.engine = TorchEngine(CopyingScorer(joint.special, joint.vocab_size), 1)
    for text, found in zip(
        texts,
        translator.translate(
            texts, beam_size=1, split_sentences="never", copy_untranslatable=False
        ),
        strict=True,
    ):
        assert (
            found.text.split()
            == (joint.normalize(text).replace("\t", " ") if text.strip() else "").split()
        )


def test_only_blank_lines_are_translated_to_blank_lines(scripted, tiny_tokenizer):
    [space] = tiny_tokenizer.tgt.lookup_ids(["▁"])
    blank = [space, space]
    [found] = scripted(blank, "I go.").translate(["물"], beam_size=2, n_best=2)
    assert [alternative.text for alternative in found.alternatives] == ["I go."]
    assert (found.text, found.score) == ("I go.", -2.0)
    [found] = scripted(blank).translate([" 나는\t학교에 "])
    assert found.text == "나는 학교에" and found.flags == ("copied",)
    # Whoever allows translations of no pieces gets them.
    assert scripted(blank).translate(["물"], min_length=0)[0].text.strip() == ""


def test_ten_thousand_blank_lines(translator):
    lines = ["", " ", "\t", "\u2028", "\x85"] * 2000
    lines[5000] = "물"
    found = [translation.text for translation in translator.stream(lines)]
    assert len(found) == 10_000
    assert [i for i, text in enumerate(found) if text] == [5000]


@pytest.mark.parametrize(
    "unit",
    ["나는 어제 학교에 갔다. ", "가", "“", "a😀\u2028."],
    ids=["sentences", "one word", "quotes", "hostile"],
)
def test_a_line_of_a_megabyte(copier, unit):
    line = unit * (1_000_000 // len(unit.encode()))
    copying = copier(max_length=20)
    begin = time.process_time()
    parts = [part.ids for part in copying.line_search.source_encoder.encode([line])[0].parts]
    # Seconds, of all cores together; a loop over all pairs of places would take hours.
    assert time.process_time() - begin < 60
    assert max(map(len, parts)) <= 20
    subword = copying.tokenizer.src
    assert "".join("".join(subword.decode(parts)).split()) == "".join(
        subword.normalize(line).split()
    )


def test_split_line_is_flagged(copier, ko_en_pairs):
    line = " ".join(pair.src for pair in ko_en_pairs[:6])
    short, long = copier().translate(["물", line])
    assert "split" not in short.flags and "split" in long.flags


def test_copy_is_flagged(scripted):
    def flags(src, found, **options):
        return scripted(found, **options).translate([src])[0].flags

    assert flags("I go to school", "I go to school") == ("copied",)
    assert flags("  I go\tto school", "I go to school") == ("copied",)
    # Written in another way, which the tokenizer makes the same.
    assert flags("ﬁn b", "fin b") == flags("a\u0308 b", "\u00e4 b") == ("copied",)
    assert flags("나는 간다", "I go") == ()
    assert flags("12:30", "the pants") == ("copied",)  # there is nothing to translate in it
    assert "copied" not in flags("I go to school", "I go to school", tgt_lang="ko-KR")


def test_source_without_a_letter_of_the_language(scripted):
    """Korean is written in Hangul, and in Chinese characters."""
    found = scripted("We went").translate(["I go", "Я иду", "K팝", "學校", "I 간다"])
    assert [one.flags for one in found] == [("script",), ("script",), (), (), ()]


def test_source_languages_that_tags_select_have_any_script(make_trained, tiny_tokenizer):
    config = make_trained().config

    def scripts(**settings):
        return Postprocessor(tiny_tokenizer, config.model_copy(update=settings)).scripts

    assert scripts() == scripts(tags=("<bt>",)) == {"hangul", "han"}
    assert scripts(tags=("<2ko>", "<2de>")) == scripts(tgt_tags=("__ko__",)) == set()
    assert scripts(src_lang="x-unknown") == set()


def test_remark_if_most_lines_are_in_another_script():
    counts = FlagCounts()
    for _ in range(3):
        counts.add_line(["script"])
    assert counts.note(6) == ""
    assert counts.note(5).startswith("3 of 5 lines without a letter")


def test_loop_is_searched_again_and_flagged_if_it_stays(scripted):
    loop = "very " * 20
    translator = scripted(loop)
    assert translator.translate(["나는 학교에 간다"])[0].flags == ("looped",)
    assert len(translator.engine.asked) == 2
    assert translator.engine.asked[0][0] == translator.engine.asked[1][0]
    translator = scripted(loop)
    assert translator.translate(["나는 학교에 간다"], loop_guard=False)[0].flags == ()
    assert len(translator.engine.asked) == 1


def test_only_the_degenerate_line_is_searched_again(scripted, tiny_tokenizer):
    translator = scripted("I go")

    class Healing(Scripted):
        def search(self, request):
            found = super().search(request)
            if len(self.asked) == 1:
                loop = tiny_tokenizer.tgt.encode(["very " * 20])[0]
                found[1] = [Hypothesis(loop, -1.0, -1.0)]
            return found

    translator.line_search.engine = Healing(*translator.engine.n_best)
    told = []
    found = list(translator.stream(["물", "나는 학교에 간다", "책"], on_lines=told.append))
    assert [(one.text, one.flags) for one in found] == [("I go", ())] * 3
    assert translator.engine.asked[1][0] == [
        part.ids
        for part in translator.line_search.source_encoder.encode(["나는 학교에 간다"])[0].parts
    ]
    assert sum(told) == 3


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_guard_looks_at_one_line_alone(make_trained, ko_en_pairs, beam_size):
    trained = make_trained(seed=5, max_length=40)
    translator = Translator.from_models([trained], n_workers=1)
    lines = [pair.src for pair in ko_en_pairs[:30]]
    options = {"beam_size": beam_size, "max_length_ratio": 3.0}
    together = translator.translate(lines, **options)
    # This model has learned nothing and repeats itself; else there would be nothing to see.
    assert together != translator.translate(lines, **options, loop_guard=False)
    alone = [translator.translate([line], **options)[0] for line in lines]
    assert [(one.text, one.flags) for one in alone] == [(one.text, one.flags) for one in together]


def told_by(scripted, src, found, **options):
    [translation] = scripted(found).translate([src], **options)
    return translation.text, translation.flags


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "12:30",
        "2024-02-29",
        "🙂 👍",
        "...",
        "https://example.org/a",
        "a@b.org",
        "{name} %s <b>",
        "₩5,000 (−3 %)",
    ],
)
def test_a_line_with_nothing_to_translate_is_copied(scripted, text):
    assert told_by(scripted, text, "The pants.") == (text, ("copied",))
    changed, _ = told_by(scripted, text, "The pants.", copy_untranslatable=False)
    assert changed == "The pants."


def test_a_sentence_with_nothing_to_translate_is_copied(scripted):
    assert told_by(scripted, "1. 나는 간다. 🙂", "I go.") == ("1. I go. 🙂", ("split",))


def test_nothing_is_copied_if_constraints_require_otherwise(scripted, tiny_tokenizer):
    translator = scripted("I go.")
    assert translator.translate(["12:30"], prefixes=["I"])[0].text == "I go."
    assert translator.translate(["12:30"], constraints=[{"must": ["go"]}])[0].text == "I go."
    assert (
        translator.translate(["12:30"], prefixes=[""], constraints=[{"must_not": ["go"]}])[0].text
        == "12:30"
    )
    assert translator.translate(["12:30"], avoid=["12"])[0].text == "I go."


@pytest.mark.parametrize(
    ("src", "found", "is_lost"),
    [
        ("{name}은 간다", "He goes", True),
        ("{name}은 간다", "{name} goes", False),
        ("%s 간다 %s", "%s goes", True),
        ("<b>나</b>는", "<b>I</b>", False),
        ("2024-02-29에 간다", "I go on 29.02.2024", False),
        ("15시에 간다", "I go", True),
        ("1,000.50원", "1.000,50 won", False),
        ("세 시에 3명", "three", False),
        ("3.5만 원", "35,000 won", False),
        ("http://a.org/b 봐", "see http://a.org/c", True),
    ],
)
def test_a_lost_placeholder_is_flagged(scripted, src, found, is_lost):
    def flag(text):
        translator = scripted("I go.")
        translator.line_search.postprocessor._decode = lambda rows: [text for _ in rows]
        return "placeholder" in translator.translate([src])[0].flags

    assert flag(found) == is_lost


SENTENCES = ["나는 학교에 간다.", "그는 집에 간다.", "우리는 간다!", "너는?"]


@pytest.mark.parametrize("split", ["auto", "always"])
def test_every_sentence_is_translated(copier, split):
    [found] = copier(max_length=200).translate([" ".join(SENTENCES)], split_sentences=split)
    assert found.text == " ".join(SENTENCES)
    assert found.flags[0] == "split"
    copying = copier(max_length=200)
    copying.translate([" ".join(SENTENCES), "\n".join(SENTENCES)], split_sentences=split)
    assert sorted(copying.engine.scorer.seen) == sorted(copying.tokenizer.src.encode(SENTENCES) * 2)


def test_sentences_stay_together_on_request_or_as_in_training(copier):
    [whole] = copier().tokenizer.src.encode([" ".join(SENTENCES)])
    copying = copier(max_length=200)
    copying.translate([" ".join(SENTENCES)], split_sentences="never")
    assert copying.engine.scorer.seen == [whole]
    lines = TrainingLineStatistics(
        sentence_shares=(0.5, 0.4, 0.3, 0.05), usual_length=100, longest=150, length_ratio=1.0
    )
    copying = copier(max_length=200)
    copying.line_search.source_encoder.training_lines = lines
    copying.translate([" ".join(SENTENCES)])
    assert copying.engine.scorer.seen == [whole]
    copying.translate([" ".join([*SENTENCES, SENTENCES[0]])])
    assert sorted(copying.engine.scorer.seen[1:]) == sorted(
        [whole, *copying.tokenizer.src.encode(SENTENCES[:1])]
    )


def test_a_text_keeps_its_lines(copier):
    text = "나는 간다.\n\n  그는 간다. 너는?\n"
    assert copier(max_length=200).translate([text])[0].text == text


class Lossy(Scripted):
    """Translates only the last sentence of its source, as models do that were trained on single
    sentences.
    """

    def __init__(self, subword):
        super().__init__()
        self.subword = subword

    def search(self, request):
        texts = [split_sentences(text, "ko")[-1] for text in self.subword.decode(request.sources)]
        self.asked.append((request.sources, request.config))
        request.on_batch(list(range(len(request.sources))))
        return [[Hypothesis(ids, -1.0, -1.0)] for ids in self.subword.encode(texts)]


def test_a_translation_with_too_few_sentences_is_searched_for_again_in_parts(
    make_trained, tiny_tokenizer
):
    translator = Translator.from_models([make_trained(max_length=200)], n_workers=1)
    translator.line_search.engine = lossy = Lossy(tiny_tokenizer.tgt)
    text = " ".join(SENTENCES)
    [found] = translator.translate([text], split_sentences="never")
    assert found.text == text and "short" not in found.flags
    assert [len(sources) for sources, _ in lossy.asked] == [1, 4]
    [found] = translator.translate([text], split_sentences="never", loop_guard=False)
    assert found.text == SENTENCES[-1]


def test_translation_that_remains_too_short_is_flagged(scripted, ko_en_pairs):
    line = " ".join(pair.src.rstrip(".") for pair in ko_en_pairs[:20])
    [found] = scripted("I", max_length=500).translate([line])
    assert "short" in found.flags
    assert "short" not in scripted("I", max_length=500).translate([line], loop_guard=False)[0].flags


def test_the_n_best_of_a_line_in_parts_are_combinations(scripted):
    [found] = scripted("I go.", "We go.").translate(["나는 간다. 너는?"], beam_size=2, n_best=2)
    assert [one.text for one in found.alternatives] == ["I go. I go.", "I go. We go."]
    assert [one.score for one in found.alternatives] == [-1.0, -1.5]


def test_a_prefix_of_several_sentences_begins_as_many_parts(copier, tiny_tokenizer):
    copying = copier(max_length=200)
    seen = []
    search = copying.engine.search

    def spy(request):
        seen.extend(
            tiny_tokenizer.tgt.decode([one.prefix_ids])[0] for one in request.constraints or ()
        )
        return search(request)

    copying.engine.search = spy
    [found] = copying.translate([" ".join(SENTENCES)], prefixes=["I go. We"])
    assert seen == ["I go.", "We", "", ""]
    assert found.text.startswith("I go.")
    seen.clear()
    copying.translate([" ".join(SENTENCES[:2])], prefixes=["I go. We go. They"])
    assert seen == ["I go.", "We go. They"]


def test_required_word_is_assigned_to_the_part_that_contains_it(copier):
    copying = copier(max_length=200)
    text = " ".join(SENTENCES)
    plain = copying.translate([text])[0]
    # The source is its own translation here: each word is in the free translation of one part.
    for words in (["우리는"], ["집에", "학교에"], ["간다!", "나는"]):
        assert copying.translate([text], constraints=[{"must": words}])[0] == plain

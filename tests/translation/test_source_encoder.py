"""What the model reads of a line: its tags first, as ids of their own, and then the ids of its
text.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.tokenizer import TokenizerConfig
from mtkit.engines.torch_engine import TorchEngine
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.tags import split_tags
from mtkit.tokenizer.train import train_subword
from mtkit.translation.source_encoder import SourceEncoder
from mtkit.translation.translator import Translator
from tests.strategies import nasty_text
from tests.translation.copying import CopyingScorer

TAGS = ("<2ko>", "<2en>", "<bt>")


@pytest.fixture(scope="session")
def tagged_tokenizer(ko_en_pairs):
    """Knows the tags, and a symbol that is none."""
    config = TokenizerConfig(
        vocab_size=620, character_coverage=0.98, user_symbols=(*TAGS, "{name}")
    )
    joint = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    return Tokenizer(joint, joint)


@pytest.fixture(scope="session")
def make_tagged(make_trained, tagged_tokenizer):
    """Makes a model that knows the tags."""

    def make(seed=1, max_length=20, known=TAGS, required=False, **dimensions):
        trained = make_trained(seed, max_length, tagged_tokenizer, **dimensions)
        return replace(
            trained,
            config=trained.config.model_copy(update={"tags": known, "tag_required": required}),
        )

    return make


@pytest.fixture
def read_by(make_tagged, tagged_tokenizer):
    """The ids that a model reads of some lines."""

    def read(lines, tags=(), **options):
        translator = Translator.from_models([make_tagged(**options)], n_workers=1, tags=tags)
        scorer = CopyingScorer(tagged_tokenizer.tgt.special, tagged_tokenizer.tgt.vocab_size)
        translator.line_search.engine = TorchEngine(scorer, n_workers=1)
        for line in lines:
            translator.translate([line], beam_size=1)
        return scorer.seen

    return read


def read_ids(translator, lines):
    return [
        [part.ids or [] for part in line.parts]
        for line in translator.line_search.source_encoder.encode(lines)
    ]


def test_a_tag_typed_before_the_line_is_a_tag_given(read_by, tagged_tokenizer):
    [expected] = tagged_tokenizer.src.encode(["나는 학교에 간다."])
    expected = tagged_tokenizer.src.tag_ids(["<2en>"]) + expected
    assert read_by(["나는 학교에 간다."], tags=["<2en>"]) == [expected]
    typed = [
        "<2en> 나는 학교에 간다.",
        "<2en>나는 학교에 간다.",
        " \t<2en>  나는 학교에 간다. ",
        "<2en> <2en> 나는 학교에 간다.",
    ]
    assert read_by(typed) == [expected] * 4
    assert read_by(typed, tags=["<2en>"]) == [expected] * 4


@settings(max_examples=60, deadline=None)
@given(text=nasty_text, tags=st.lists(st.sampled_from(TAGS), unique=True, max_size=3))
def test_given_tags_equal_typed_tags_for_any_text(make_tagged, text, tags):
    trained = make_tagged(max_length=1000)
    subword = trained.tokenizer.src
    as_given = read_ids(Translator.from_models([trained], tags=tags), [text])
    assert as_given == read_ids(
        Translator.from_models([trained]), ["".join(f"{tag} " for tag in tags) + text]
    )
    own_tags, rest = split_tags(text, TAGS)
    rows = subword.encode([line.strip() if "\n" in rest else line for line in rest.split("\n")])
    prefix = subword.tag_ids(list(dict.fromkeys([*tags, *own_tags])))
    assert as_given == [
        [
            prefix + row
            for row, line in zip(rows, rest.split("\n"), strict=True)
            if row and line.strip()
        ]
    ]


def test_given_tags_come_before_typed_ones(read_by, tagged_tokenizer):
    [text] = tagged_tokenizer.src.encode(["물"])
    assert read_by(["<bt> 물"], tags=["<2ko>"]) == [
        tagged_tokenizer.src.tag_ids(["<2ko>", "<bt>"]) + text
    ]


def test_symbols_that_were_not_tags_in_training_stay_in_the_text(read_by, tagged_tokenizer):
    lines = ["{name} 물", "물 <2ko> 물", "<2ja> 물"]
    assert read_by(lines) == tagged_tokenizer.src.encode(lines)
    assert read_by(["<2ko> 물"], known=()) == tagged_tokenizer.src.encode(["<2ko> 물"])


@pytest.mark.parametrize("line", ["<2ko>", " <2ko>  ", "<2ko><bt>", "", " "])
def test_tags_without_a_text_are_a_blank_line(make_tagged, line):
    assert Translator.from_models([make_tagged()], tags=["<2en>"]).translate([line])[0].text == ""


def test_another_tag_is_another_translation(make_tagged):
    trained = make_tagged()
    lines = ["나는 학교에 간다.", "물을 마셨다."]
    ways = [
        Translator.from_models([trained], tags=tags).translate(lines)
        for tags in ((), ("<2ko>",), ("<2en>",), ("<2en>", "<bt>"))
    ]
    assert len({tuple(translations) for translations in ways}) == 4
    assert ways[1] == Translator.from_models([trained]).translate(
        [f"<2ko> {line}" for line in lines]
    )


def test_an_ensemble_reads_tags_too(make_tagged):
    models = [make_tagged(1), make_tagged(2)]
    assert Translator.from_models(models, tags=["<2ko>"]).translate(
        ["물"]
    ) == Translator.from_models(models).translate(["<2ko> 물"])


@pytest.mark.parametrize("max_length", [10, 20])
def test_each_part_of_a_long_line_has_the_tags_and_fits(make_tagged, ko_en_pairs, max_length):
    line = " ".join(pair.src for pair in ko_en_pairs[:6])
    translator = Translator.from_models([make_tagged(max_length=max_length)], tags=["<2en>"])
    subword = translator.tokenizer.src
    [parts] = read_ids(translator, [f"<bt> {line}"])
    assert len(parts) > 1
    prefix = subword.tag_ids(["<2en>", "<bt>"])
    assert all(part[:2] == prefix and 2 < len(part) <= 2 + max_length for part in parts)
    assert "".join(subword.decode([part[2:] for part in parts])).replace(
        " ", ""
    ) == subword.normalize(line).replace(" ", "")


def test_line_of_all_tags_keeps_its_text(make_tagged):
    trained = make_tagged(max_length=4, positions="learned", max_positions=7)
    subword, translator = trained.tokenizer.src, Translator.from_models([trained])
    assert read_ids(translator, [f"{''.join(TAGS)} 물"]) == [
        [subword.tag_ids(TAGS[:2]) + subword.encode(["물"])[0]]
    ]
    assert translator.translate([f"{''.join(TAGS)} 물 물 물 물 물"])[0].score < 0


@pytest.mark.parametrize("known", [("<2ko>", "<2en>"), ()])
def test_unknown_tag_lists_the_known_ones(make_tagged, known):
    with pytest.raises(MtkitError, match="unknown tag <2ja>") as caught:
        Translator.from_models([make_tagged(known=known)], tags=["<2ja>"])
    assert caught.value.message.endswith("with <2ko>, <2en>" if known else "without tags")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("known", "language", "tag"),
    [
        (("<2ko>", "<2en>", "<bt>"), "ko", "<2ko>"),
        (("<2ko>", "<2en>", "<bt>"), "English", "<2en>"),
        ((">>deu<<", ">>nld<<"), "de", ">>deu<<"),
        ((">>cmn_Hans<<", ">>cmn_Hant<<"), "cmn_Hant", ">>cmn_Hant<<"),
    ],
)
def test_a_language_selects_its_tag(make_trained, known, language, tag):
    trained = make_trained()
    config = trained.config.model_copy(update={"tags": known})
    assert SourceEncoder(trained.tokenizer.src, config, [language]).tags == (tag,)


def test_a_language_of_several_tags_or_of_the_model(make_trained):
    trained = make_trained()
    config = trained.config.model_copy(update={"tags": (">>cmn_Hans<<", ">>cmn_Hant<<")})
    with pytest.raises(MtkitError, match="zh is ambiguous"):
        SourceEncoder(trained.tokenizer.src, config, ["zh"])
    # A model with one target language needs no tag for it.
    assert SourceEncoder(trained.tokenizer.src, trained.config, ["eng"]).tags == ()


def test_text_in_place_of_a_list_of_tags_is_an_error(make_tagged):
    with pytest.raises(TypeError, match="list of tags"):
        Translator.from_models([make_tagged()], tags="<2ko>")


def test_a_model_that_saw_only_tags_warns_once_of_lines_without(make_tagged, caplog):
    translator = Translator.from_models([make_tagged(required=True)])
    translator.translate(["<2ko> 물", "", "<2en> 나무"])
    assert caplog.messages == []
    translator.translate(["<2ko> 물", "물", "나무"])
    translator.translate(["물"])
    [message] = caplog.messages
    assert "<2ko>, <2en>, <bt>" in message


@pytest.mark.parametrize(("required", "tags"), [(True, ["<2ko>"]), (False, [])])
def test_no_warning_if_tags_are_given_or_not_required(make_tagged, caplog, required, tags):
    Translator.from_models([make_tagged(required=required)], tags=tags).translate(["물"])
    assert caplog.messages == []

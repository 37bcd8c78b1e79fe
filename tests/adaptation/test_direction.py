"""Directions of models of several languages, and the tags of the pairs that adapt them."""

import pytest

from mtkit.adaptation.direction import Direction, RequestedDirection, choose_direction
from mtkit.adaptation.general_text import GeneralText
from mtkit.checkpoint.model_config import ModelDirConfig
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.model import ModelConfig
from mtkit.errors import MtkitError

SIZES = ModelConfig(d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1, n_decoder_layers=1)
CORPORA = [
    {"tags": ["<2de>"]},
    {"tags": ["<2de>", "<bt>"]},
    {"tgt_lang": "fr", "tags": ["<2fr>"]},
    {"src_lang": "de", "tgt_lang": "en", "tags": ["<2en>"]},
    {"src_lang": "fr", "tgt_lang": "en", "tags": ["<2en>", "<bt>"]},
]
TAGGED = {"tags": ("<2de>", "<2fr>", "<2en>", "<bt>"), "tag_required": True}
OPUS = {"tags": (">>deu<<", ">>nld<<", ">>zho_Hans<<", ">>zho_Hant<<"), "tag_required": True}
NLLB = {
    "tags": ("deu_Latn", "kor_Hang"),
    "tgt_tags": ("deu_Latn", "kor_Hang"),
    "tag_required": True,
}


@pytest.fixture
def make_model(tmp_path):
    """Writes the configuration of a model, and its recipe if there are corpora."""

    def make(corpora=None, **keys):
        config = {"src_lang": "en", "tgt_lang": "de", "max_length": 20, "model": SIZES} | keys
        (tmp_path / "model").mkdir()
        text = ModelDirConfig.model_validate(config).model_dump_json()
        (tmp_path / "model/config.json").write_text(text)
        if corpora is not None:
            train = [
                {"name": str(i), "src": "a", "tgt": "b"} | one for i, one in enumerate(corpora)
            ]
            data = {"src_lang": config["src_lang"], "tgt_lang": config["tgt_lang"], "train": train}
            text = f"data: {data}\nmodel: {SIZES.model_dump()}\n".replace("None", "null")
            (tmp_path / "recipe.yaml").write_text(
                text.replace("True", "true").replace("False", "false")
            )
        return tmp_path / "model"

    return make


@pytest.mark.parametrize(
    ("corpora", "keys", "requested", "expected"),
    [
        # One direction; back-translations in training do not matter.
        (None, {}, (), ("en", "de", "", "")),
        ([{}, {"tags": ["<bt>"]}], {"tags": ("<bt>",)}, (), ("en", "de", "", "")),
        (None, {"tags": ("<bt>",)}, (), ("en", "de", "", "")),
        (None, {"tags": ("<bt>",)}, ("eng", "de"), ("en", "de", "", "")),
        (
            [{}, {"tags": ["<bt>"]}],
            {"tags": ("<bt>",)},
            (None, None, ["<bt>"]),
            ("en", "de", "<bt>", ""),
        ),
        (
            [{"tags": ["<x>"]}],
            {"tags": ("<x>",), "tag_required": True},
            (),
            ("en", "de", "<x>", "<x>"),
        ),
        # Several directions, by the recipe.
        (CORPORA, TAGGED, ("en", "de"), ("en", "de", "<2de>", "<2de>")),
        (CORPORA, TAGGED, (None, "fr"), ("en", "fr", "<2fr>", "<2fr>")),
        (CORPORA, TAGGED, ("deu", "eng"), ("de", "en", "<2en>", "<2en>")),
        (CORPORA, TAGGED, ("fr", "en"), ("fr", "en", "<2en>", "<2en>")),
        (CORPORA, TAGGED, (None, None, ["<2fr>"]), ("en", "fr", "<2fr>", "<2fr>")),
        (CORPORA, TAGGED, (None, "fr", ["<bt>"]), ("en", "fr", "<2fr> <bt>", "<2fr>")),
        ([{}, {"src_lang": "fr"}], {}, ("fr", None), ("fr", "de", "", "")),
        # Several directions, by the tags alone.
        (None, TAGGED, ("de", "en"), ("de", "en", "<2en>", "<2en>")),
        (None, OPUS, (None, "de"), ("en", "de", ">>deu<<", ">>deu<<")),
        (None, OPUS, (None, "zho_Hant"), ("en", "zh", ">>zho_Hant<<", ">>zho_Hant<<")),
        (None, OPUS, (None, None, [">>nld<<"]), ("en", "nl", ">>nld<<", ">>nld<<")),
        (None, {"tags": ("<2fr>",)}, (None, "de"), ("en", "de", "", "")),
        (None, {"tags": ("<2fr>",)}, (None, "fr"), ("en", "fr", "<2fr>", "<2fr>")),
    ],
)
def test_the_tags_of_a_direction(make_model, corpora, keys, requested, expected):
    found = choose_direction(make_model(corpora, **keys), RequestedDirection(*requested))
    assert (*found.langs, " ".join(found.tags), " ".join(found.general_tags)) == expected
    assert found.tgt_tags == ()


def test_tags_before_both_sides(make_model):
    found = choose_direction(make_model(**NLLB), RequestedDirection("ko", "de"))
    assert found == Direction(("ko", "de"), ("kor_Hang",), ("deu_Latn",), ("kor_Hang",))


@pytest.mark.parametrize(
    ("corpora", "keys", "requested", "message"),
    [
        (None, {}, ("en", "fr"), "does not translate from en to fr, but from en to de"),
        (None, {}, ("de", "en"), "does not translate from de to en, but from en to de"),
        (None, {}, (None, None, ["<x>"]), "unknown tag <x>: the model was trained without tags"),
        (CORPORA, TAGGED, ("de", "fr"), "from de to fr, but from en to de, from en to fr, from de"),
        (CORPORA, TAGGED, (None, "it"), "from any language to it, but from en to de"),
        (CORPORA, TAGGED, (), "several directions: from en to de, from en to fr, from de to en"),
        (CORPORA, TAGGED, (None, "en"), "several directions: from de to en, from fr to en"),
        (CORPORA, TAGGED, (None, None, ["<bt>"]), "several directions"),
        (CORPORA, TAGGED, (None, None, ["<x>"]), "unknown tag <x>"),
        (None, OPUS, (None, "it"), "but from en to de, from en to nl, from en to zh"),
        (None, OPUS, (None, "zh"), "zh is ambiguous"),
        (None, NLLB, (None, "de"), "the model has 2 languages: deu_Latn, kor_Hang"),
        (None, NLLB, ("ko", "it"), "unknown tag it"),
        (
            None,
            {"tags": ("<x>", "<y>"), "tag_required": True},
            (),
            "no source without a tag in training, but <x>, <y>",
        ),
    ],
)
def test_mistakes_are_named(make_model, corpora, keys, requested, message):
    with pytest.raises(MtkitError) as caught:
        choose_direction(make_model(corpora, **keys), RequestedDirection(*requested))
    assert message in caught.value.message
    assert caught.value.hint


def test_general_text_has_the_direction_and_just_its_tags(make_model):
    direction = choose_direction(make_model(CORPORA, **TAGGED), RequestedDirection("en", "de"))
    train = [CorpusSource.model_validate({"src": "a", "tgt": "b"} | one) for one in CORPORA]
    data = DataConfig(src_lang="en", tgt_lang="de", train=tuple(train))
    assert GeneralText(data, direction=direction).sources_of("train") == (train[0],)
    named = direction.with_tags(CorpusSource.model_validate({"src": "c", "tgt": "d"}))
    assert named.tags == ("<2de>",)

"""A recipe that starts from a model need not say what the model says already, and may not say
otherwise.
"""

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.dump import write_yaml
from mtkit.config.init_from import differences
from mtkit.config.model import ModelConfig
from mtkit.config.recipe import Recipe
from mtkit.config.tokenizer import TokenizerConfig
from mtkit.errors import MtkitError
from mtkit.tokenizer.subword import Subword, Tokenizer
from mtkit.tokenizer.train import train_subword

RECIPE = """\
data:
  src_lang: ko
  tgt_lang: en
  train: {src: train.ko, tgt: train.en}
preprocess: {max_length: 60}
"""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, make_trained, ko_en_pairs):
    config = TokenizerConfig(
        type="unigram", vocab_size=420, byte_fallback=False, normalization="nfkc"
    )
    subword = Subword(train_subword((text for pair in ko_en_pairs for text in pair), config))
    folder = tmp_path_factory.mktemp("general") / "model"
    save_model_dir(
        folder,
        make_trained(
            tokenizer=Tokenizer(subword, subword),
            d_model=24,
            dropout=0.3,
            norm="pre",
            max_positions=128,
        ),
    )
    return folder


@pytest.fixture
def load(tmp_path, model_dir):
    def make(text, *overrides):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE + text.replace("MODEL", str(model_dir)), encoding="utf-8")
        return Recipe.load(path, overrides)

    return make


def test_dimensions_and_tokenizer_are_those_of_the_model(load, model_dir):
    recipe = load("training: {init_from: MODEL}")
    assert (
        recipe.model.d_model,
        recipe.model.n_heads,
        recipe.model.d_ff,
        recipe.model.n_encoder_layers,
    ) == (24, 2, 32, 1)
    assert (recipe.model.norm, recipe.model.dropout, recipe.model.max_positions) == (
        "pre",
        0.3,
        128,
    )
    tokenizer = recipe.tokenizer
    assert tokenizer.init_from == recipe.training.init_from == model_dir
    assert (
        tokenizer.type,
        tokenizer.vocab_size,
        tokenizer.byte_fallback,
        tokenizer.normalization,
    ) == ("unigram", 420, False, "nfkc")
    assert tokenizer.joint


def test_recipe_overrides_keys_that_may_differ(load):
    recipe = load(
        "training: {init_from: MODEL}\nmodel: {dropout: 0.2, d_model: 24, max_positions: 512, tied_embeddings: none}"
    )
    assert (
        recipe.model.dropout,
        recipe.model.max_positions,
        recipe.model.tied_embeddings,
        recipe.model.norm,
    ) == (0.2, 512, "none", "pre")


def test_all_that_differs_is_named_at_once(load):
    with pytest.raises(MtkitError) as caught:
        load(
            "training: {init_from: MODEL}\nmodel: {d_model: 32, n_heads: 4, dropout: 0.5}\ntokenizer: {type: bpe, vocab_size: 8000}"
        )
    for difference in "model.d_model (32 here, 24 there)", "model.n_heads (4 here, 2 there)":
        assert difference in caught.value.message
    for difference in (
        "tokenizer.type (bpe here, unigram there)",
        "tokenizer.vocab_size (8000 here, 420 there)",
    ):
        assert difference in caught.value.message
    assert "dropout" not in caught.value.message
    assert caught.value.hint == "leave these keys out"


def test_null_asks_for_a_new_tokenizer(load):
    recipe = load(
        "training: {init_from: MODEL}\ntokenizer: {init_from: null, type: bpe, vocab_size: 8000}"
    )
    assert (recipe.tokenizer.init_from, recipe.tokenizer.type, recipe.model.d_model) == (
        None,
        "bpe",
        24,
    )


def test_a_tokenizer_can_be_taken_without_the_weights(load, model_dir):
    recipe = load("tokenizer: {init_from: MODEL, extend: 5}")
    assert recipe.training.init_from is None
    assert (recipe.tokenizer.type, recipe.model.d_model) == ("unigram", ModelConfig().d_model)


def test_the_model_can_come_from_the_command_line(load, model_dir, monkeypatch):
    monkeypatch.chdir(model_dir.parent)
    recipe = load("", "training.init_from=model")
    assert recipe.training.init_from == recipe.tokenizer.init_from == model_dir
    assert recipe.model.d_model == 24


def test_a_path_in_the_recipe_is_relative_to_it(load, model_dir, tmp_path):
    (tmp_path / "near").symlink_to(model_dir)
    assert load("training: {init_from: near}").model.d_model == 24


def test_sampling_must_fit_the_tokenizer_of_the_model(load):
    with pytest.raises(MtkitError, match="bpe, but it is unigram"):
        load("training: {init_from: MODEL}\nsampling: {src_dropout: 0.1}")


def test_resolved_recipe_does_not_need_the_model(load, tmp_path, model_dir):
    recipe = load("training: {init_from: MODEL}\ntokenizer: {extend: 7}")
    write_yaml(recipe, tmp_path / "resolved.yaml")
    assert Recipe.load(tmp_path / "resolved.yaml") == recipe
    gone = recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update={"init_from": tmp_path / "gone"}),
            "tokenizer": recipe.tokenizer.model_copy(update={"init_from": tmp_path / "gone"}),
        }
    )
    write_yaml(gone, tmp_path / "gone.yaml")
    assert Recipe.load(tmp_path / "gone.yaml") == gone


@pytest.mark.parametrize(
    ("folder", "problem", "hint"),
    [
        ("", "not a model directory: it has no config.json", "did you mean `{model}`?"),
        (
            "checkpoints/step-00000010",
            "not a model directory: it has no config.json",
            "did you mean `{model}`?",
        ),
        ("checkpoints", "not a model directory: it has no config.json", "did you mean `{model}`?"),
        (
            "nothing",
            "no such directory",
            "check the path; to resume a run that started from it, pass a copy of the recipe.yaml of the run directory",
        ),
    ],
)
def test_directory_other_than_a_model_is_reported(load, tmp_path, model_dir, folder, problem, hint):
    run = tmp_path / "run"
    (run / "checkpoints/step-00000010").mkdir(parents=True)
    (run / "model").symlink_to(model_dir)
    with pytest.raises(MtkitError) as caught:
        load(f"training: {{init_from: {run / folder}}}")
    assert f"training.init_from: `{run / folder}`: {problem}" in caught.value.message
    assert caught.value.hint == hint.format(model=run / "model")


def test_damaged_configuration_is_reported(load, tmp_path):
    (tmp_path / "config.json").write_text('{"model": {"d_model": -1}}')
    with pytest.raises(
        MtkitError, match="not a model configuration that this version of mtkit can read"
    ):
        load(f"training: {{init_from: {tmp_path}}}")


def test_extend_without_init_from_is_reported(load):
    with pytest.raises(MtkitError, match=r"tokenizer.extend \(100\) needs a vocabulary to extend"):
        load("tokenizer: {extend: 100}")


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        ("all", "output", True),
        ("all", "all", False),
        ("none", "all", False),
        ("output", "none", True),
        ("inputs", "all", False),
        ("inputs", "output", True),
    ],
)
def test_one_matrix_may_become_two_but_not_the_reverse(ours, theirs, differ):
    assert bool(differences({"tied_embeddings": ours}, {"tied_embeddings": theirs})) == differ


def test_a_recipe_made_of_sections_is_filled_too(load, model_dir):
    recipe = load("")
    made = Recipe(
        data=recipe.data,
        preprocess=recipe.preprocess,
        training=recipe.training.model_copy(update={"init_from": model_dir}),
    )
    assert (made.model.d_model, made.tokenizer.type) == (24, "unigram")

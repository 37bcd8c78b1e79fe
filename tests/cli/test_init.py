from typing import get_args

import pytest

from mtkit.cli.init import Preset
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_the_recipe_loads_and_is_the_preset(mtkit, tmp_path, preset):
    outcome = mtkit("init", preset, tmp_path / "new/system")
    assert outcome.status == 0
    assert "mtkit train" in outcome.out
    recipe = Recipe.load(tmp_path / "new/system/recipe.yaml")
    data = {"src_lang": "de", "tgt_lang": "en", "train": {"src": "a", "tgt": "b"}}
    assert recipe.model_copy(update={"data": None}) == Recipe.model_validate({"data": data, **PRESETS[preset]}).model_copy(update={"data": None})
    assert recipe.data.train[0].src == tmp_path / "new/system/train.de"
    assert recipe.data.validation


def test_the_presets_are_those_that_exist():
    assert set(get_args(Preset)) == set(PRESETS)


def test_files_are_named_from_the_current_directory(mtkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--src-lang", "ko", "--train-src", "text/a.ko", "--train-tgt", tmp_path / "text/a.en"]
    assert mtkit("init", "tiny", "sub/system", *options).status == 0
    text = (tmp_path / "sub/system/recipe.yaml").read_text()
    assert "src: ../../text/a.ko\n" in text
    recipe = Recipe.load("sub/system/recipe.yaml")
    assert recipe.data.src_lang == "ko"
    assert recipe.data.train[0].src is not None
    assert recipe.data.train[0].src.resolve() == tmp_path / "text/a.ko"
    assert recipe.data.train[0].tgt == tmp_path / "text/a.en"
    assert recipe.data.validation == ()


def test_validation_files(mtkit, tmp_path):
    assert mtkit("init", "tiny", tmp_path, "--validation-src", "/v.de", "--validation-tgt", "/v.en").status == 0
    (validation,) = Recipe.load(tmp_path / "recipe.yaml").data.validation
    assert str(validation.src) == "/v.de"


def test_one_side_alone_is_wrong_usage(mtkit, tmp_path):
    outcome = mtkit("init", "tiny", tmp_path, "--train-src", "a")
    assert outcome.status == 2
    assert "--train-src and --train-tgt go together" in outcome.err


def test_nothing_is_overwritten(mtkit, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    outcome = mtkit("init", "tiny", tmp_path)
    assert outcome.status == 1
    assert "exists" in outcome.err
    assert (tmp_path / "recipe.yaml").read_text() == "mine"

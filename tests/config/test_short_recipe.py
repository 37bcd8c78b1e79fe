"""The recipe that `mtkit init` writes by default."""

from itertools import pairwise

import pytest

from mtkit.config.dump import commented_yaml
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe
from mtkit.config.short_recipe import short_recipe

DATA = {"src_lang": "no", "tgt_lang": "en", "train": {"src": "a b.no", "tgt": "c.en"}}


def both_forms(folder, recipe):
    loaded = []
    for name, text in ("short", short_recipe(recipe)), ("full", commented_yaml(recipe)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        loaded.append(Recipe.load(folder / f"{name}.yaml"))
    return loaded


@pytest.mark.parametrize("preset", PRESETS)
def test_short_recipe_equals_the_full_one(tmp_path, preset):
    recipe = Recipe.model_validate({"data": DATA, **PRESETS[preset]})
    short, full = both_forms(tmp_path, recipe)
    assert short == full
    assert short.model_copy(update={"data": None}) == recipe.model_copy(update={"data": None})


def test_every_kind_of_value_survives(tmp_path):
    sections = {
        "data": {
            "src_lang": "no",
            "tgt_lang": "zh",
            "train": [
                {
                    "src": "it's: a #1.no",
                    "tgt": "{c}.zh",
                    "tags": ["<bt>"],
                    "weight": 0.5,
                    "name": "one",
                },
                {"dataset": "x/y", "split": "train[:10%]", "src_column": 2},
            ],
            "test": {"file": "all, of it.tsv"},
            "stages": [{"until_epoch": 1, "weights": {"one": 2.0}}, {"temperature": 5}],
            "work_dir": "else where",
        },
        "tokenizer": {"user_symbols": ["no", "a, b", ""], "init_from": None, "max_sentences": 7},
        "batches": {"max_tokens": "auto", "effective_tokens": 25_000},
        "training": {"adam_betas": [0.8, 0.99], "freeze": ["*embedding*"], "learning_rate": 1e-9},
        "search": {"sampling": True, "max_length": 3},
    }
    recipe = Recipe.model_validate(sections)
    short, full = both_forms(tmp_path, recipe)
    assert short == full
    assert short.data.work_dir == tmp_path / "else where"


@pytest.mark.parametrize("preset", PRESETS)
def test_short_recipe_refers_to_the_other_keys(preset):
    text = short_recipe(Recipe.model_validate({"data": DATA, **PRESETS[preset]}))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    settings = [line for line in lines if not line.startswith("  #")]
    assert len(settings) <= 26
    assert max(map(len, text.splitlines())) <= 100
    for before, line in pairwise(lines):
        if line in settings and line.startswith("  "):
            assert "  # " in line or before.startswith("  # ")
    head = text[: text.index("data:")]
    assert "docs/reference/recipe.md" in head and "--full" in head
    for key in (
        "vocab_size",
        "d_model",
        "max_tokens",
        "max_steps",
        "learning_rate",
        "warmup_steps",
        "every_steps",
    ):
        assert text.count(f"  {key}: ") == 1
    assert "work_dir" not in text


def test_reason_replaces_the_explanation():
    text = short_recipe(
        Recipe.model_validate({"data": DATA}),
        {"training.max_steps": "enough for this corpus", "model.norm": "the default"},
    )
    assert "  max_steps: 100000      # enough for this corpus\n" in text
    assert "updates" not in text.partition("max_steps")[2].partition("\n")[0]
    assert "norm:" not in text


def test_a_long_reason_is_above_its_key():
    reason = "enough for this corpus, " * 10 + "and no more"
    text = short_recipe(Recipe.model_validate({"data": DATA}), {"training.max_steps": reason})
    above = text.partition("\n  max_steps: 100000\n")[0].rpartition("training:\n")[2]
    lines = above.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("  # ") and len(line) <= 100 for line in lines)
    assert " ".join(line.removeprefix("  # ") for line in lines) == reason

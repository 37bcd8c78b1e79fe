import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.dump import commented_yaml, flatten, write_yaml
from mtkit.config.presets import PRESETS
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError


def recipe_of(**sections) -> Recipe:
    data = {
        "src_lang": "no",
        "tgt_lang": "en",
        "train": [{"src": "a b.no", "tgt": "c.en"}, {"dataset": "x", "split": "train[:10%]"}],
        "work_dir": "w",
    }
    return Recipe.model_validate({"data": data, **sections})


symbols = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


# An example writes and parses a whole recipe.
@settings(max_examples=20)
@given(
    symbols=st.lists(symbols, max_size=4),
    rate=st.floats(1e-12, 1e12),
    steps=st.integers(1, 2**31 - 1),
)
@example(
    symbols=[
        "no",
        "1e-4",
        "null",
        "",
        " x ",
        "x ",
        "012",
        "2020-01-01",
        "<2ko>",
        "\x85\u2028\ufeff\x00\x7f",
        "𝄞\U000e0001",
        "a: b #c",
        "[",
        "~",
        "1:30",
    ],
    rate=1e-9,
    steps=1,
)
@pytest.mark.parametrize("comments", [False, True])
def test_written_recipe_loads_equal(tmp_path_factory, comments, symbols, rate, steps):
    path = tmp_path_factory.getbasetemp() / "recipe.yaml"
    recipe = recipe_of(
        tokenizer={"user_symbols": symbols}, training={"learning_rate": rate, "max_steps": steps}
    )
    if comments:
        path.write_bytes(commented_yaml(recipe).encode())
    else:
        write_yaml(recipe, path)
    loaded = Recipe.load(path)
    assert loaded.tokenizer == recipe.tokenizer
    assert loaded.training == recipe.training
    assert loaded.data.train[1] == recipe.data.train[1]


def test_a_resolved_recipe_is_the_same_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    first = tmp_path / "there/first.yaml"
    first.write_text(commented_yaml(recipe_of()))
    resolved = Recipe.load(first)
    monkeypatch.chdir(tmp_path)
    write_yaml(resolved, tmp_path / "second.yaml")
    assert Recipe.load("second.yaml") == resolved
    assert resolved.data.work_dir == tmp_path / "there/w"


def test_every_key_is_written_with_its_help():
    text = commented_yaml(recipe_of())
    for cls, section in [
        (Recipe, recipe_of()),
        (DataConfig, None),
        *((type(s), s) for _, s in recipe_of()),
    ]:
        for name, field in cls.model_fields.items():
            assert f"{name}:" in text
            for word in (field.description or "").split()[:8]:
                assert word in text, (section, name)
    assert "Recipe section" not in text


def test_choices_are_next_to_the_value():
    assert "\n  norm: post  # post | pre\n" in commented_yaml(recipe_of())


def test_a_class_is_written_with_its_defaults():
    text = commented_yaml(CorpusSource)
    assert "# src:\n" in text
    assert "# split:\n" in text
    assert "\n  src_lang:\n" in commented_yaml(Recipe)
    assert "\n  d_model: 512\n" in commented_yaml(Recipe)


def test_reason_is_between_help_and_value():
    text = commented_yaml(
        recipe_of(), {"model.norm": "trains safely", "data.train": "all there is"}
    )
    assert "\n  # Chosen: trains safely.\n  norm: post  # post | pre\n" in text
    assert "\n  # Chosen: all there is.\n  train:\n" in text
    assert text.count("Chosen") == 2


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_commented_form(tmp_path, name):
    recipe = recipe_of(**PRESETS[name])
    (tmp_path / "recipe.yaml").write_text(commented_yaml(recipe))
    loaded = Recipe.load(tmp_path / "recipe.yaml")
    assert loaded.model_copy(update={"data": recipe.data}) == recipe


def test_directory_at_the_output_path(tmp_path):
    with pytest.raises(MtkitError, match="is a directory"):
        write_yaml(recipe_of(), tmp_path)


def test_settings_become_flat():
    settings = {
        "a": {"b": 1, "c": {"d": None}},
        "e": [1, 2],
        "f": [{"g": "x"}, {"g": "y"}],
        "h": [],
    }
    assert flatten(settings) == {
        "a.b": 1,
        "a.c.d": None,
        "e": [1, 2],
        "f.0.g": "x",
        "f.1.g": "y",
        "h": [],
    }

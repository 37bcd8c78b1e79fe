"""The recipes in `recipes/`: each is valid and trains, and the commands of its README exist."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from mtkit.config.ineffective_settings import ineffective_settings
from mtkit.config.recipe import Recipe
from tests.pages import ROOT, check_options, command_of, mtkit_calls

RECIPES = {path.parent.name: path for path in sorted(ROOT.glob("recipes/*/recipe.yaml"))}
READMES = {
    path.parent.name: path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("recipes/README.md"), *ROOT.glob("recipes/*/README.md"))
}
SMALL = [
    *("tokenizer.vocab_size=600", "tokenizer.character_coverage=0.98", "preprocess.max_ratio=9"),
    *("preprocess.max_length=60", "preprocess.check_alignment=off", "search.max_length=5"),
    *("batches.max_tokens=256", "model.d_model=16", "model.n_heads=2", "model.d_ff=32"),
    *("model.n_encoder_layers=1", "model.n_decoder_layers=1", "training.precision=float32"),
    *("training.max_steps=2", "training.warmup_steps=1", "training.save_every_steps=2"),
    *("validation.every_steps=2", "validation.max_sentences=2"),
    # The corpora below are Korean and English, whatever the languages of the recipe.
    "clean.min_script=0",
]


def calls_of(name):
    """The words after `mtkit` of every call in a README, in loops and over several lines, too."""
    text = READMES[name].replace("\\\n", " ")
    return mtkit_calls(re.sub(r"(?m)^ +(?=mtkit )", "", text))


def settings_of(words):
    return [value for option, value in pairwise(words) if option == "--set"]


@pytest.fixture(scope="module")
def local_corpora(tmp_path_factory, ko_en_pairs):
    """Makes overrides that replace every corpus of a recipe by some of the fixture's pairs."""
    folder = tmp_path_factory.mktemp("corpora")

    def write(name, pairs):
        for side in ("src", "tgt"):
            text = "".join(f"{getattr(pair, side)}\n" for pair in pairs)
            (folder / f"{name}.{side}").write_text(text, encoding="utf-8", newline="\n")

    def make(data):
        overrides = [f"data.work_dir={folder / 'work'}"]
        parts = {"train": ko_en_pairs[:180], "validation": ko_en_pairs[180:190]}
        for part, pairs in (parts | {"test": ko_en_pairs[190:]}).items():
            sources = []
            for index, source in enumerate(getattr(data, part)):
                # Different pairs for each: equal ones would be dropped as duplicates.
                write(f"{part}-{index}", pairs[index :: len(getattr(data, part))])
                kept = source.model_dump(
                    include={"name", "tags", "weight", "src_lang", "tgt_lang"}, exclude_none=True
                )
                paths = {side: str(folder / f"{part}-{index}.{side}") for side in ("src", "tgt")}
                sources.append(kept | paths)
            overrides.append(f"data.{part}={json.dumps(sources)}")
        return overrides

    return make


def test_every_directory_has_a_recipe_and_a_readme():
    directories = {path.name for path in (ROOT / "recipes").iterdir() if path.is_dir()} - {"data"}
    assert set(RECIPES) == directories
    assert set(READMES) == directories | {"recipes"}


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_is_valid_and_every_setting_has_an_effect(name):
    recipe = Recipe.load(RECIPES[name])
    assert list(ineffective_settings(recipe)) == []
    assert f"{recipe.data.src_lang}-{recipe.data.tgt_lang}" in name or "multilingual" in name
    # No machine's own paths: what is read is downloaded, or made by the README's commands.
    for source in (*recipe.data.train, *recipe.data.validation, *recipe.data.test):
        for path in (source.src, source.tgt, source.file):
            assert path is None or Path(path).resolve().is_relative_to(ROOT / "recipes" / "data")


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_trains(name, local_corpora, tmp_path):
    from mtkit.training.train import train

    data = Recipe.load(RECIPES[name]).data
    has_accumulation = Recipe.load(RECIPES[name]).batches.effective_tokens is not None
    overrides = ["batches.effective_tokens=512"] if has_accumulation else []
    recipe = Recipe.load(RECIPES[name], [*SMALL, *local_corpora(data), *overrides])
    result = train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    assert result.n_steps == 2
    config = json.loads((result.run_dir / "model" / "config.json").read_text(encoding="utf-8"))
    assert (config["src_lang"], config["tgt_lang"]) == (data.src_lang, data.tgt_lang)
    assert config["search"]["alpha"] == recipe.search.alpha


@pytest.mark.parametrize("name", READMES)
def test_calls_in_the_readme_have_options_that_exist(name):
    calls = calls_of(name)
    for words in calls:
        check_options(command_of(words), words)
        named = [match[1] for word in words for match in re.finditer(r"recipes/([\w-]+)/", word)]
        assert set(named) <= {name, "data"}
    if name != "recipes":
        assert {"train", "average", "evaluate"} <= {command_of(words) for words in calls}


@pytest.mark.parametrize("name", RECIPES)
def test_settings_in_the_readme_fit_the_recipe(name):
    for words in calls_of(name):
        if words[0] == "train":
            Recipe.load(RECIPES[name], settings_of(words))


@pytest.mark.parametrize("name", RECIPES)
def test_the_readme_has_the_common_form(name):
    text = READMES[name]
    headings = re.findall(r"(?m)^## (.+)$", text)
    assert headings[:2] == ["Data", "Commands"]
    # Either scores and how they were measured, or the statement that there are none.
    measured = {"Scores", "Conditions"} <= set(headings)
    assert measured != ("has not been measured" in text)
    assert ("Published scores" in headings) == ("**Not run here.**" in text)
    assert f"({name}/README.md)" in READMES["recipes"]


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    base = ROOT / "recipes" / ("" if name == "recipes" else name)
    targets = re.findall(r"\]\(([^)\s]+)\)", READMES[name].replace("\n", " "))
    assert [
        target
        for target in targets
        if "://" not in target and not (base / target.partition("#")[0]).exists()
    ] == []

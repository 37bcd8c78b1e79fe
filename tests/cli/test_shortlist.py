import numpy as np
import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.search.shortlist.shortlist import Shortlist
from mtkit.tokenizer.subword import Tokenizer


@pytest.fixture
def model_dir(make_trained, tmp_path):
    save_model_dir(tmp_path / "model", make_trained())
    return tmp_path / "model"


def test_from_two_files_into_the_model(mtkit, model_dir, tiny_recipe_path, make_trained):
    folder = tiny_recipe_path.parent
    outcome = mtkit(
        "shortlist",
        folder / "train.ko",
        folder / "train.en",
        "-m",
        model_dir,
        "--candidates",
        5,
        "--frequent",
        10,
    )
    assert outcome.status == 0
    assert outcome.out.startswith(
        f"{model_dir / 'shortlist.safetensors'}: up to 6 candidates for each of 600 source subwords"
    )
    made = Shortlist.load(model_dir / "shortlist.safetensors", Tokenizer.load(model_dir))
    assert made.settings == {"n_candidates": 5, "n_frequent": 10, "n_pairs": 180}
    save_model_dir(
        model_dir, make_trained()
    )  # a shortlist is a part of a model, and keeps nobody from replacing it


def test_from_files_with_both_sides(mtkit, model_dir, tiny_recipe_path):
    folder = tiny_recipe_path.parent
    texts = [(folder / name).read_text().splitlines() for name in ("train.ko", "train.en")]
    rows = ["\t".join(pair) + "\n" for pair in zip(*texts, strict=True)]
    (folder / "first.tsv").write_text("".join(rows[:100]))
    (folder / "rest.tsv").write_text("".join(rows[100:]))
    made = []
    for paths in (
        [folder / "train.ko", folder / "train.en"],
        [folder / "first.tsv", folder / "rest.tsv"],
    ):
        assert mtkit("shortlist", *paths, "-m", model_dir).status == 0
        tokenizer = Tokenizer.load(model_dir)
        made.append(Shortlist.load(model_dir / "shortlist.safetensors", tokenizer))
    assert np.array_equal(made[0].candidates, made[1].candidates)
    assert np.array_equal(made[0].always, made[1].always)
    assert made[0].settings == made[1].settings


def test_one_text_file(mtkit, model_dir, tiny_recipe_path):
    path = tiny_recipe_path.parent / "train.ko"
    outcome = mtkit("shortlist", path, "-m", model_dir)
    assert outcome.status == 2
    assert f"{path} is one text file; give two aligned ones" in outcome.err
    outcome = mtkit("shortlist", tiny_recipe_path, path, "-m", model_dir)
    assert (outcome.status, "do not give others" in outcome.err) == (2, True)


def test_from_a_recipe(mtkit, model_dir, tiny_recipe_path, tmp_path):
    outcome = mtkit("shortlist", tiny_recipe_path, "-m", model_dir)
    assert (outcome.status, "no token store found" in outcome.err) == (1, True)
    recipe = Recipe.load(tiny_recipe_path)
    preprocess(recipe)
    outcome = mtkit("shortlist", tiny_recipe_path, "-m", model_dir)
    assert (outcome.status, "tokenized by another tokenizer" in outcome.err) == (1, True)
    assert not (model_dir / "shortlist.safetensors").exists()
    # That tokenizer in the place of the model's.
    Tokenizer.load(recipe.tokenizer_dir).save(model_dir / "tokenizer")
    outcome = mtkit("shortlist", tiny_recipe_path, "-m", model_dir, "-o", tmp_path / "list")
    assert outcome.status == 0
    assert (
        Shortlist.load(tmp_path / "list", Tokenizer.load(model_dir)).settings["n_candidates"] == 100
    )


def test_files_of_unequal_length(mtkit, model_dir, tiny_recipe_path):
    folder = tiny_recipe_path.parent
    outcome = mtkit("shortlist", folder / "train.ko", folder / "validation.en", "-m", model_dir)
    assert outcome.status == 1
    assert "has 180 lines, but" in outcome.err

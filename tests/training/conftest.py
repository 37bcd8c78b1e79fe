"""A recipe whose tokenizer and token store are there already, so that a test of training begins
with training.
"""

import shutil

import pytest

from tests.conftest import write_tiny_recipe

KEEP_BEST = "keep_best: 2\n"


@pytest.fixture(scope="session")
def tiny_work_dir(tmp_path_factory, ko_en_pairs):
    """The tokenizer and the token store of the tiny recipe; for copying only."""
    from mtkit.config.recipe import Recipe
    from mtkit.corpus.store.preprocess import preprocess

    recipe = Recipe.load(write_tiny_recipe(tmp_path_factory.mktemp("tiny_work"), ko_en_pairs))
    preprocess(recipe)
    return recipe.data.work_dir


@pytest.fixture
def tiny_recipe_path(tiny_recipe_path, tiny_work_dir):
    """The recipe file of all tests, with less to decode, beside its preprocessed corpus; with
    other data or settings, that is made anew.
    """
    shutil.copytree(tiny_work_dir, tiny_recipe_path.parent / "work")
    recipe = tiny_recipe_path.read_text(encoding="utf-8")
    assert KEEP_BEST in recipe
    recipe = recipe.replace(KEEP_BEST, f"{KEEP_BEST}  max_sentences: 8\n")
    tiny_recipe_path.write_text(recipe, encoding="utf-8")
    return tiny_recipe_path

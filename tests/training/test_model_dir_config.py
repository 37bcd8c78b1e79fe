"""The model directory knows how many sentences and pieces its training lines had."""

import numpy as np
import pytest

from mtkit.checkpoint.model_config import ModelDirConfig, TrainingLineStatistics
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess
from mtkit.corpus.store.token_store import TokenStore
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.model_dir_config import measure_training_lines
from tests.conftest import N_VALIDATION

SINGLE = [
    ("나는 학교에 간다.", "I go to school."),
    ("그는 집에 간다.", "He goes home."),
    ("비가 옵니다.", "It is raining."),
]


@pytest.fixture
def measure(tiny_recipe_path, ko_en_pairs):
    """Measures a store of some pairs, by a recipe with some settings changed."""

    def run(pairs, settings=()):
        folder = tiny_recipe_path.parent
        for side, lang in enumerate(("ko", "en")):
            text = "".join(
                f"{pair[side]}\n"
                for pair in [*pairs, *[(pair.src, pair.tgt) for pair in ko_en_pairs]]
            )
            (folder / f"train.{lang}").write_text(text, encoding="utf-8")
        recipe = Recipe.load(tiny_recipe_path, ["clean.duplicates=keep", *settings])
        preprocess(recipe)
        return measure_training_lines(
            recipe, TokenStore.open(recipe.store_dir), Tokenizer.load(recipe.tokenizer_dir).src
        ), recipe

    return run


def test_shares_of_lines_with_several_sentences(measure, ko_en_pairs):
    n = len(ko_en_pairs) - N_VALIDATION  # those are kept out of the store
    two = [(f"{a[0]} {b[0]}", f"{a[1]} {b[1]}") for a in SINGLE for b in SINGLE if a != b] * 10
    three = [(" ".join(pair[0] for pair in SINGLE), " ".join(pair[1] for pair in SINGLE))] * 20
    lines, _ = measure([*two, *three])
    total = n + len(two) + len(three)
    assert lines.sentence_shares[:3] == pytest.approx([80 / total, 20 / total, 0], abs=1e-4)
    assert lines.usual_sentences == 2
    assert lines.endings == ()


def test_joined_pairs_count(measure):
    alone, _ = measure([])
    joined, recipe = measure([], ["augment.merge=0.5"])
    assert (alone.usual_sentences, joined.usual_sentences) == (1, 2)
    assert joined.sentence_shares[0] == pytest.approx(0.5, abs=0.1)
    assert (
        alone.usual_length < joined.usual_length <= joined.longest <= recipe.preprocess.max_length
    )


def test_lengths_are_those_of_the_store(measure):
    lines, recipe = measure([])
    store = TokenStore.open(recipe.store_dir)
    lengths = store.lengths("src", np.arange(len(store)))
    assert (lengths <= lines.usual_length).mean() >= 0.95 > (lengths < lines.usual_length).mean()
    assert lines.longest == lengths.max()  # of a few hundred lines
    assert lines.length_ratio == pytest.approx(
        store.lengths("tgt", np.arange(len(store))).sum() / lengths.sum(), abs=1e-3
    )


def test_older_model_directory_has_no_line_statistics(make_trained):
    tree = make_trained().config.model_dump(exclude={"training_lines"})
    assert ModelDirConfig.model_validate(tree).training_lines is None
    assert (
        TrainingLineStatistics(
            sentence_shares=(), usual_length=1, longest=1, length_ratio=1.0
        ).usual_sentences
        == 1
    )

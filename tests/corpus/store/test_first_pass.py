"""Slips between the sides of a corpus: preprocessing refuses it and names the place."""

import pytest

from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.corpus.store.preprocess import preprocess, preprocess_shard
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError

LOST = 91
"""The line that the source has lost."""


@pytest.fixture
def slipped_path(tiny_recipe_path):
    """A recipe for a corpus of 179 pairs, in which the source lacks line LOST."""
    folder = tiny_recipe_path.parent
    src, tgt = (
        (folder / f"train.{lang}").read_text().splitlines(keepends=True) for lang in ("ko", "en")
    )
    (folder / "train.ko").write_text("".join(src[: LOST - 1] + src[LOST:]))
    (folder / "train.en").write_text("".join(tgt[:-1]))
    return tiny_recipe_path


def place_of(text):
    """The line that a message names."""
    head, _, rest = text.partition("from line ")
    assert head
    line, on, rest = rest.partition(
        " on, line N of the source corresponds to line N + 1 of the target"
    )
    assert on
    return int(line.rstrip(","))


def test_line_shift_is_refused_with_its_line_and_a_hint(slipped_path):
    recipe = Recipe.load(slipped_path)
    with pytest.raises(MtkitError, match=r"train.ko, .*train.en`: from line") as info:
        preprocess(recipe)
    assert abs(place_of(info.value.message) - LOST) <= 5
    assert (
        "mtkit data check" in info.value.hint
        and "preprocess.check_alignment: warning" in info.value.hint
    )
    assert not recipe.data.work_dir.exists()


def test_a_shard_is_refused_too(slipped_path):
    recipe = Recipe.load(slipped_path)
    train_tokenizer(recipe)
    with pytest.raises(MtkitError, match="line N of the source corresponds to"):
        preprocess_shard(recipe, (1, 2))
    with pytest.raises(MtkitError, match="line N of the source corresponds to"):
        preprocess(recipe)


@pytest.mark.parametrize("how", ["warning", "off"])
def test_alignment_check_can_be_overridden(slipped_path, caplog, how):
    assert (
        preprocess(Recipe.load(slipped_path, [f"preprocess.check_alignment={how}"])).n_kept == 179
    )
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [abs(place_of(text) - LOST) <= 5 for text in warnings] == (
        [True] if how == "warning" else []
    )


def test_a_store_that_was_made_unchecked_is_not_used_by_a_recipe_that_checks(slipped_path):
    preprocess(Recipe.load(slipped_path, ["preprocess.check_alignment=off"]))
    with pytest.raises(MtkitError, match="line N of the source corresponds to"):
        preprocess(Recipe.load(slipped_path))


def test_one_file_with_both_sides(slipped_path):
    folder = slipped_path.parent
    src, tgt = ((folder / f"train.{lang}").read_text().splitlines() for lang in ("ko", "en"))
    (folder / "pasted.tsv").write_text(
        "".join(f"{a}\t{b}\n" for a, b in zip(src, tgt, strict=True))
    )
    recipe = Recipe.load(slipped_path)
    pasted = recipe.data.model_copy(update={"train": (CorpusSource(file=folder / "pasted.tsv"),)})
    with pytest.raises(MtkitError, match=r"pasted.tsv`: from line"):
        preprocess(recipe.model_copy(update={"data": pasted}))


@pytest.mark.parametrize("role", ["validation", "test"])
def test_held_out_sets_are_checked_too(slipped_path, role):
    folder = slipped_path.parent
    recipe = Recipe.load(slipped_path)
    (slipped,) = recipe.data.train
    sound = CorpusSource(src=folder / "validation.ko", tgt=folder / "validation.en")
    data = recipe.data.model_copy(
        update={"train": (sound,), "validation": (), "test": ()} | {role: (slipped,)}
    )
    with pytest.raises(MtkitError, match=r"train.ko, .*train.en`: from line"):
        preprocess(recipe.model_copy(update={"data": data}))


def test_a_corpus_too_small_to_judge_is_accepted(tiny_recipe_path):
    folder = tiny_recipe_path.parent
    src, tgt = (
        (folder / f"train.{lang}").read_text().splitlines(keepends=True) for lang in ("ko", "en")
    )
    (folder / "train.ko").write_text("".join(src[:8]))
    (folder / "train.en").write_text("".join(tgt[1:9]))
    assert preprocess(Recipe.load(tiny_recipe_path, ["tokenizer.vocab_size=350"])).n_kept == 8

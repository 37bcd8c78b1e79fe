"""Public functions that take a recipe, a number or a folder, given something else."""

import pytest

import mtkit
from mtkit.config.data import DataConfig
from mtkit.corpus.clean.clean_corpus import clean_corpus
from mtkit.training.reporting.trackers import all_trackers


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "a.ko").write_text("나는 학교에 간다\n", encoding="utf-8")
    (folder / "a.en").write_text("I go to school\n", encoding="utf-8")
    data = {
        "src_lang": "ko",
        "tgt_lang": "en",
        "train": {"src": folder / "a.ko", "tgt": folder / "a.en"},
        "work_dir": folder,
    }
    return mtkit.Recipe(data=DataConfig.model_validate(data))


@pytest.mark.parametrize("wrong", ["recipe.yaml", None, {}], ids=repr)
def test_not_a_recipe_is_refused(wrong):
    for call in (
        lambda: mtkit.train(wrong),
        lambda: mtkit.preprocess(wrong),
        lambda: mtkit.preprocess_shard(wrong, (1, 2)),
        lambda: mtkit.train_tokenizer(wrong),
        lambda: mtkit.clean_corpus(wrong, None),
    ):
        with pytest.raises(TypeError, match=r"not a Recipe; mtkit.Recipe.load\(path\) reads one"):
            call()
    with pytest.raises(TypeError, match=r"not a DataConfig; a recipe has it as recipe.data"):
        mtkit.check_corpora(wrong)


def test_overrides_are_a_list(tmp_path):
    for wrong in ("training.max_steps=100", {"training.max_steps": 100}, None, [None]):
        with pytest.raises(TypeError, match="overrides: "):
            mtkit.Recipe.load(tmp_path / "recipe.yaml", wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (-1, 2)])
def test_a_shard_that_does_not_exist_is_refused(recipe, shard):
    with pytest.raises(ValueError, match=f"shard {shard[0]} of {shard[1]} does not exist"):
        mtkit.preprocess_shard(recipe, shard)


@pytest.mark.parametrize("shard", ["12", (1,), None, (1.5, 2), (1, 2, 3)], ids=repr)
def test_a_shard_is_two_numbers(recipe, shard):
    with pytest.raises(TypeError, match="must be two whole numbers"):
        mtkit.preprocess_shard(recipe, shard)


def test_numbers_out_of_range_are_refused(recipe, tmp_path):
    for call in (
        lambda: mtkit.preprocess(recipe, n_workers=-1),
        lambda: mtkit.clean_corpus(recipe, None, n_workers=-1),
        lambda: mtkit.check_corpora(recipe.data, n_workers=-1),
        lambda: mtkit.check_corpora(recipe.data, n_shown=-1),
        lambda: mtkit.train(recipe, tmp_path / "run", n_threads=0),
        lambda: mtkit.average(tmp_path, tmp_path / "model", 0),
    ):
        with pytest.raises(ValueError, match="is below"):
            call()
    with pytest.raises(ValueError, match="max_time_s is not a number"):
        mtkit.train(recipe, tmp_path / "run", max_time_s=float("nan"))
    with pytest.raises(ValueError, match="which is 'first'"):
        mtkit.average(tmp_path, tmp_path / "model", 1, "first")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())


def test_trackers_are_a_list_of_trackers(recipe):
    class Own(mtkit.Tracker):
        pass

    assert len(all_trackers(recipe.training, iter([Own()]))) == 1  # pyright: ignore[reportArgumentType]
    for wrong in (Own(), [Own], [object()], "tensorboard", None):
        with pytest.raises(TypeError, match="trackers: "):
            all_trackers(recipe.training, wrong)  # pyright: ignore[reportArgumentType]


def test_paths_may_be_texts(recipe, tmp_path):
    out_paths = (str(tmp_path / "o.ko"), str(tmp_path / "o.en"))
    dropped_path = str(tmp_path / "dropped.jsonl")
    clean_corpus(recipe, out_paths, dropped_path=dropped_path)  # pyright: ignore[reportArgumentType]
    clean_corpus(recipe, str(tmp_path / "o.tsv"))
    assert (tmp_path / "o.en").read_text(encoding="utf-8") == "I go to school\n"
    assert (tmp_path / "o.tsv").read_text(encoding="utf-8") == "나는 학교에 간다\tI go to school\n"
    with pytest.raises(TypeError, match="out must be one path or two"):
        clean_corpus(recipe, 5)  # pyright: ignore[reportArgumentType]

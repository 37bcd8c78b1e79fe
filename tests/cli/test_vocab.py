import shutil

import pytest

from mtkit.checkpoint.model_dir import save_model_dir
from mtkit.tokenizer.subword import Tokenizer


@pytest.fixture
def own_dir(tiny_recipe_path, make_trained, monkeypatch):
    """The current directory, with `model`, `recipe.yaml`, and `train` and `validation` in Korean and
    English.
    """
    monkeypatch.chdir(tiny_recipe_path.parent)
    save_model_dir(tiny_recipe_path.parent / "model", make_trained())
    return tiny_recipe_path.parent


CORPUS = ("validation.ko", "validation.en")


def test_prune_to_two_files(mtkit, own_dir):
    outcome = mtkit(
        "vocab", "prune", "-o", "out", *CORPUS, "--test", "train.ko", "train.en", "-m", "model"
    )
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    n_left = Tokenizer.load("out").src.vocab_size
    assert lines[0].split() == ["before", "after"]
    assert lines[1].split() == ["subwords", "600", str(n_left)]
    assert [line.split(": ")[0] for line in lines[4:8]] == ["validation"] * 2 + ["train"] * 2
    assert lines[8] == "validation: 22 of 22 pairs are split as before"
    assert lines[-1] == "removed subwords of the corpus: none"
    assert mtkit("translate", "validation.ko", "-m", "out", "--device", "cpu").status == 0


def test_extend_by_a_recipe(mtkit, own_dir):
    outcome = mtkit("vocab", "extend", "recipe.yaml", "-m", "model", "-o", "out", "--add", 30)
    assert outcome.status == 0, outcome.err
    assert Tokenizer.load("out").src.vocab_size == 630
    assert "600 of 630 tokens keep their embeddings, 30 start as the mean of their parts" in (
        outcome.out
    )
    assert "validation: unknown in pairs" in outcome.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["prune", *CORPUS, "-m", "nothing", "-o", "out"], "`nothing`: no such directory"),
        (["prune", "gone.ko", "gone.en", "-m", "model", "-o", "out"], "gone.ko"),
        (["prune", *CORPUS, "-m", "model", "-o", "model"], "`model`: is an input"),
        (["extend", *CORPUS, "-m", "model", "-o", "model/in", "--add", 5], "is inside the input"),
        (["prune", *CORPUS, "-m", "model", "-o", "."], "contains the input"),
        (["prune", "recipe.yaml", "-m", "model", "-o", "other"], "`other`: contains notes"),
        (
            ["prune", *CORPUS, "-m", "model", "-o", "out", "--size", 100],
            "--size (100) is too small",
        ),
        (["prune", "train.ko", "validation.en", "-m", "model", "-o", "out"], "has 180 lines, but"),
        (["prune", *CORPUS, "-m", "exported", "-o", "out"], "exported to another engine"),
    ],
)
def test_mistakes(mtkit, own_dir, args, message):
    (own_dir / "other").mkdir()
    (own_dir / "other" / "notes").touch()
    shutil.copytree("model", "exported")
    for name, content in ("config.json", "{}"), ("mtkit.json", "{}"):
        (own_dir / "exported" / name).write_text(content)
    outcome = mtkit("vocab", *args)
    assert (outcome.status, message in outcome.err) == (1, True), outcome.err
    assert outcome.out == ""
    assert not (own_dir / "out").exists()


@pytest.mark.parametrize(
    "args", [["extend", *CORPUS, "-m", "model", "-o", "out"], ["prune", *CORPUS, "-m", "model"]]
)
def test_missing_options(mtkit, own_dir, args):
    assert mtkit("vocab", *args).status == 2

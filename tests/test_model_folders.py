import pytest

from mtkit.errors import MtkitError
from mtkit.model_folders import refuse_no_model

ANY = "give a folder that `mtkit train` or `mtkit average` made"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A training run, an empty folder and a file."""
    monkeypatch.chdir(tmp_path)
    for path in ("run/model/tokenizer", "run/checkpoints/step-00000010", "empty"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("run/model/config.json", "run/model/model.safetensors", "notes.txt"):
        (tmp_path / path).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("nowhere", "no such folder", "check the path of the model"),
        ("empty", "not a model directory: it has no config.json", ANY),
        ("notes.txt", "is a file, and a model is a folder", ANY),
        ("run", "not a model directory: it has no config.json", "did you mean `run/model`?"),
        ("run/modle", "no such folder", "did you mean `run/model`?"),
        ("run/checkpoints", "not a model directory: it has no config.json", "did you mean `run/model`?"),
        ("run/checkpoints/step-00000010", "not a model directory: it has no config.json", "did you mean `run/model`?"),
        ("run/model/tokenizer", "not a model directory: it has no config.json", "did you mean `run/model`?"),
        ("run/model/model.safetensors", "is a file, and a model is a folder", "did you mean `run/model`?"),
    ],
)
def test_what_is_no_model_is_told_with_the_one_that_is(mtkit, folder, name, problem, hint):
    (folder / "in.txt").touch()
    told = (1, "", f"error: `{name}`: {problem}\nhint: {hint}\n")
    assert mtkit("translate", "in.txt", "-m", "run/model", "-m", name, "--processes", 2, "-o", "out.txt") == told
    assert mtkit("score", "in.txt", "in.txt", "-m", name) == told


def test_a_model_is_left_alone(folder):
    refuse_no_model(folder / "run" / "model")
    with pytest.raises(MtkitError, match="no such folder"):
        refuse_no_model(folder / "run" / "model" / "nothing" / "here")

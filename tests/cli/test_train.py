from pathlib import Path
from types import SimpleNamespace

import pytest

RECIPE = "data: {src_lang: de, tgt_lang: en, train: {src: a, tgt: b}}\n"


@pytest.fixture
def recipe_path(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def calls(monkeypatch):
    """What training and averaging were asked for."""
    calls = []

    def train(recipe, out=None, **options):
        calls.append((recipe, out, options))
        if recipe.training.max_steps == 13:
            raise KeyboardInterrupt("kept: step 12")
        run_dir = out or recipe.run_dir
        best = None if recipe.training.max_steps == 7 else 38.125
        return SimpleNamespace(model_dir=run_dir / "model", run_dir=run_dir, n_steps=recipe.training.max_steps, best_score=best, metric="bleu")

    def average(run_dir, out_dir, n, which):
        calls.append((run_dir, out_dir, n, which))
        return out_dir

    monkeypatch.setattr("mtkit.training.loop.train", train)
    monkeypatch.setattr("mtkit.checkpoint.average.average", average)
    return calls


def test_where_the_model_is(mtkit, calls, recipe_path, tmp_path):
    outcome = mtkit("train", recipe_path, "--set", "training.max_steps=1000", "--out", tmp_path / "run", "--device", "cpu", "--threads", 2)
    assert outcome.status == 0
    assert outcome.out.splitlines()[:2] == ["trained 1,000 steps; best bleu on the validation corpus 38.12", f"model: {tmp_path / 'run/model'}"]
    assert "mtkit average" in outcome.out
    assert calls[0][1:] == (tmp_path / "run", {"device": "cpu", "n_threads": 2})


def test_defaults(mtkit, calls, recipe_path, tmp_path):
    outcome = mtkit("train", recipe_path, "--set", "training.max_steps=7")
    assert outcome.out.splitlines()[:2] == ["trained 7 steps", f"model: {tmp_path / 'work/run/model'}"]
    assert calls[0][1:] == (None, {"device": "auto", "n_threads": None})


def test_ctrl_c_says_what_was_kept(mtkit, calls, recipe_path):
    assert mtkit("train", recipe_path, "--set", "training.max_steps=13") == (130, "", "interrupted: kept: step 12\n")


@pytest.mark.parametrize("command", [["train"], ["preprocess"], ["tokenizer", "train"]])
def test_a_bad_recipe(mtkit, calls, recipe_path, command):
    outcome = mtkit(*command, recipe_path, "--set", "training.max_step=3")
    expected = f"error: `{recipe_path}`: --set training.max_step: no such key\nhint: did you mean training.max_steps?\n"
    assert outcome == (1, "", expected)
    outcome = mtkit(*command, "nowhere.yaml")
    assert outcome.status == 1
    assert outcome.err.startswith("error: `nowhere.yaml`: no such file\nhint: ")
    assert "mtkit init" in outcome.err
    assert calls == []


def test_average(mtkit, calls):
    assert mtkit("average", "run", "-o", "out") == (0, "model: out\n", "")
    assert mtkit("average", "run", "-o", "out", "-n", 3, "--best").status == 0
    assert calls == [(Path("run"), Path("out"), 5, "last"), (Path("run"), Path("out"), 3, "best")]

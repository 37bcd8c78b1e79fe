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
        n_steps, is_time_up = recipe.training.max_steps, options.get("max_time_s") is not None
        return SimpleNamespace(
            model_dir=run_dir / "model",
            run_dir=run_dir,
            n_steps=n_steps - 3 * is_time_up,
            best_score=best,
            metric="bleu",
            is_time_up=is_time_up,
        )

    def average(run_dir, out_dir, n, which):
        calls.append((run_dir, out_dir, n, which))
        return out_dir

    monkeypatch.setattr("mtkit.training.train.train", train)
    monkeypatch.setattr("mtkit.checkpoint.averaging.average", average)
    return calls


def test_location_of_the_model(mtkit, calls, recipe_path, tmp_path):
    outcome = mtkit(
        "train",
        recipe_path,
        "--set",
        "training.max_steps=1000",
        "--output",
        tmp_path / "run",
        "--device",
        "cpu",
        "--threads",
        2,
    )
    assert outcome.status == 0
    assert outcome.out.splitlines()[:2] == [
        "trained 1,000 steps; best bleu on the validation corpus 38.12",
        f"model: {tmp_path / 'run/model'}",
    ]
    assert outcome.out.splitlines()[2:] == [
        f"next:  mtkit translate FILE -m {tmp_path / 'run/model'}"
    ]
    assert calls[0][1:] == (tmp_path / "run", {"device": "cpu", "n_threads": 2, "max_time_s": None})


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ("batches.max_tokens=4096", True),
        ("training.ema_decay=0.99", False),
        ("training.average_last=3", False),
    ],
)
def test_averaging_is_suggested_where_it_helps(
    mtkit, calls, recipe_path, tmp_path, monkeypatch, change, is_told
):
    monkeypatch.setattr(
        "mtkit.checkpoint.averaging.is_worth_averaging",
        lambda run_dir: run_dir == tmp_path / "a run",
    )
    outcome = mtkit("train", recipe_path, "--set", change, "--output", tmp_path / "a run")
    assert f"next:  mtkit translate FILE -m '{tmp_path}/a run/model'\n" in outcome.out
    assert (
        outcome.out.endswith(f"mtkit average '{tmp_path}/a run' -o '{tmp_path}/a run/averaged'\n")
        == is_told
    )
    assert ("average" in outcome.out) == is_told


def test_defaults(mtkit, calls, recipe_path, tmp_path):
    outcome = mtkit("train", recipe_path, "--set", "training.max_steps=7")
    assert outcome.out.splitlines()[:2] == [
        "trained 7 steps",
        f"model: {tmp_path / 'work/run/model'}",
    ]
    assert calls[0][1:] == (None, {"device": "auto", "n_threads": None, "max_time_s": None})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("3h", 10_800),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1d2h3m4s", 93_784),
        ("0.5H", 1800),
    ],
)
def test_time_limit(mtkit, calls, recipe_path, text, seconds):
    outcome = mtkit("train", recipe_path, "--set", "training.max_steps=1000", "--max-time", text)
    assert outcome.status == 0
    # The log says that the time is up; nothing follows on stdout but the model.
    assert outcome.out.splitlines()[0].startswith("trained 997 steps")
    assert outcome.out.splitlines()[-1].startswith("model: ")
    assert calls[0][2]["max_time_s"] == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "3 h", "h", "30m1h", "0s", "-1h", "1e3s", "1h30", "soon"]
)
def test_no_time_limit(mtkit, calls, recipe_path, text):
    outcome = mtkit("train", recipe_path, f"--max-time={text}")
    assert outcome.status == 2
    assert "1h30m" in outcome.err
    assert not calls


def test_ctrl_c_reports_what_was_kept(mtkit, calls, recipe_path):
    assert mtkit("train", recipe_path, "--set", "training.max_steps=13") == (
        130,
        "",
        "interrupted: kept: step 12\n",
    )


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


def test_average(mtkit, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    assert mtkit("average", "run", "-o", "out") == (0, "model: out\n", "")
    assert mtkit("average", "run", "-o", "out", "-n", 3, "--best").status == 0
    assert calls == [(Path("run"), Path("out"), 5, "last"), (Path("run"), Path("out"), 3, "best")]

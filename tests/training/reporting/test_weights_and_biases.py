"""Weights & Biases: what its package is given, by a stand-in that writes down calls, and offline by
the package itself where it is installed.
"""

import importlib.util
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.reporting.tracker import TrackedRun, ValidationSample
from mtkit.training.reporting.weights_and_biases import WeightsAndBiases
from mtkit.training.train import train

HAS_WANDB = importlib.util.find_spec("wandb") is not None
INFO = {"data.src_lang": "ko", "data.tgt_lang": "en"}


class StandIn(SimpleNamespace):
    """The part of the package that is used; each run is a list of calls."""

    def __init__(self):
        super().__init__(runs=[])

    def init(self, **settings):
        calls: list[Any] = [("init", settings)]
        self.runs.append(calls)
        return SimpleNamespace(
            define_metric=lambda name, step_metric=None: calls.append(
                ("define_metric", name, step_metric)
            ),
            log=lambda values: calls.append(("log", values)),
            finish=lambda exit_code: calls.append(("finish", exit_code)),
        )

    def Table(self, columns, data):
        return {"columns": columns, "data": data}


@pytest.fixture
def wandb(monkeypatch):
    stand_in = StandIn()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mtkit.training.reporting.trackers.find_spec",
        lambda name: name if name == "wandb" else found(name),
    )
    monkeypatch.setitem(sys.modules, "wandb", stand_in)  # pyright: ignore[reportArgumentType]
    for name in ("WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    return stand_in


def recipe(path, max_steps, *changes):
    steps = f"training.max_steps={max_steps}"
    return Recipe.load(path, ["training.trackers=[wandb]", steps, *changes])


def logged(calls, kind):
    return [
        values
        for name, *rest in calls
        if name == "log"
        for values in rest
        if any(key.startswith(f"{kind}/") for key in values)
    ]


def test_resumed_run_continues_under_its_id_with_the_metrics(tiny_recipe_path, tmp_path, wandb):
    run = tmp_path / "run"
    train(recipe(tiny_recipe_path, 10), run)
    train(recipe(tiny_recipe_path, 20), run)
    first, second = wandb.runs
    settings = first[0][1]
    assert (
        settings["id"]
        == second[0][1]["id"]
        == (run / "wandb_id.txt").read_text(encoding="utf-8").strip()
    )
    assert (settings["project"], settings["name"], settings["resume"], settings["dir"]) == (
        "mtkit",
        "ko-en run",
        "allow",
        str(run),
    )
    assert settings["config"]["training.learning_rate"] == 0.002
    assert ("define_metric", "*", "step") in first
    assert [calls[-1] for calls in wandb.runs] == [("finish", 0)] * 2
    entries = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for kind in ("train", "validation"):
        expected = [
            {name: value for name, value in entry.items() if name != "kind"}
            for entry in entries
            if entry["kind"] == kind
        ]
        told = [values for calls in wandb.runs for values in logged(calls, kind)]
        assert [
            {name.removeprefix(f"{kind}/"): value for name, value in values.items()}
            for values in told
        ] == expected
    tables = [
        values["samples"]
        for calls in wandb.runs
        for name, *rest in calls
        if name == "log"
        for values in rest
        if "samples" in values
    ]
    assert [table["data"] for table in tables] == [
        [list(sample.values()) for sample in entry["samples"]]
        for entry in entries
        if entry["kind"] == "samples"
    ]


def test_the_variables_of_the_package_name_project_and_run(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_NAME", "third try")
    tracker = WeightsAndBiases()
    tracker.start(TrackedRun(tmp_path, INFO, 1))
    tracker.finish("failed")
    assert (wandb.runs[0][0][1]["project"], wandb.runs[0][0][1]["name"]) == ("mine", "third try")
    assert wandb.runs[0][-1] == ("finish", 1)


def test_a_missing_package_is_reported_before_anything_is_done(
    tiny_recipe_path, tmp_path, monkeypatch
):
    monkeypatch.setattr("mtkit.training.reporting.trackers.find_spec", lambda name: None)
    with pytest.raises(MtkitError) as caught:
        train(recipe(tiny_recipe_path, 10, "data.work_dir=other"), tmp_path / "run")
    assert caught.value.message == "training.trackers: wandb needs a package that is not installed"
    assert "pip install 'mtkit[wandb]'" in caught.value.hint
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the package
@pytest.mark.skipif(not HAS_WANDB, reason="wandb is not installed")
def test_offline_the_package_writes_into_the_run_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    for step in (0, 10):
        tracker = WeightsAndBiases()
        tracker.start(TrackedRun(tmp_path, INFO, 1, step))
        tracker.log_metrics(step + 10, "train", {"loss": 2.0})
        tracker.log_samples(step + 10, [ValidationSample("물", "water", "w")])
        tracker.finish("finished")
    run_id = (tmp_path / "wandb_id.txt").read_text(encoding="utf-8").strip()
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2 and all(
        path.name == f"run-{run_id}.wandb" and path.stat().st_size for path in files
    )

"""What trackers are told by a run, and that they cannot stop it."""

import csv
import json
import logging
from pathlib import Path

import pytest

import mtkit
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.training.reporting.reporter import Reporter
from mtkit.training.reporting.tracker import TrackedRun, Tracker, ValidationSample
from mtkit.training.train import train


class Notebook(Tracker):
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def start(self, run):
        self.calls.append(("begin", run))

    def log_metrics(self, step, kind, values):
        self.calls.append(("numbers", step, kind, dict(values)))
        values.clear()  # which must not be seen elsewhere

    def log_samples(self, step, samples):
        self.calls.append(("samples", step, list(samples)))

    def rollback(self, step):
        self.calls.append(("back", step))

    def finish(self, status):
        self.calls.append(("close", status))

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


class Failing(Tracker):
    """Fails at the third call."""

    def __init__(self):
        self.n_calls = 0

    def log_metrics(self, step, kind, values):
        self.n_calls += 1
        if self.n_calls == 3:
            raise ConnectionError("no way out")


def entries(run_dir):
    return [
        json.loads(line)
        for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_tracker_receives_the_lines_of_metrics_jsonl(tiny_recipe, tmp_path):
    notebook = Notebook()
    assert mtkit.Tracker in Notebook.mro()
    result = mtkit.train(tiny_recipe, tmp_path / "run", trackers=[notebook])
    [[run]] = notebook.of("begin")
    assert run == TrackedRun(result.run_dir, run.settings, run.n_parameters, 0)
    assert run.settings["training.learning_rate"] == 0.002
    assert run.settings["data.train.0.src"] == str(tmp_path / "train.ko")
    assert run.n_parameters == sum(
        parameter.numel() for parameter in load_model_dir(result.model_dir).model.parameters()
    )
    told = [{"step": step, "kind": kind, **values} for step, kind, values in notebook.of("numbers")]
    told += [
        {"step": step, "kind": "samples", "samples": [sample._asdict() for sample in samples]}
        for step, samples in notebook.of("samples")
    ]
    written = entries(result.run_dir)
    assert sorted(written, key=str) == sorted(told, key=str)
    assert len(written) == 4 + 2 + 2
    assert notebook.calls[-1] == ("close", "finished")


SCHEMA = {
    "train": {
        "train_s",
        "loss",
        "nll",
        "grad_norm",
        "n_skipped",
        "tokens_per_s",
        "data_wait",
        "lr",
        "epoch",
    },
    "validation": {"loss", "bleu", "chrf", "best"},
    "samples": {"samples"},
}


def test_metrics_jsonl_matches_the_guide(tiny_run):
    guide = (Path(__file__).parents[3] / "docs/guides/training.md").read_text(encoding="utf-8")
    written = entries(tiny_run)
    assert {entry["kind"] for entry in written} == set(SCHEMA)
    for entry in written:
        assert entry.keys() - {"step", "kind"} == SCHEMA[entry["kind"]]
        assert isinstance(entry["step"], int)
        for name in SCHEMA[entry["kind"]] - {"samples"}:
            assert isinstance(entry[name], int | float)
            assert f"`{name}`" in guide
        for sample in entry.get("samples", []):
            assert sample.keys() == {"src", "reference", "hypothesis"}
    rows = [entry for entry in written if entry["kind"] == "train"]
    assert [row["train_s"] for row in rows] == sorted(row["train_s"] for row in rows)
    assert all(0 <= row["data_wait"] <= 1 and row["epoch"] >= 1 for row in rows)


def test_failing_tracker_is_dropped_and_training_continues(tiny_recipe, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "mtkit")
    failing, notebook = Failing(), Notebook()
    result = train(tiny_recipe, tmp_path / "run", trackers=[failing, notebook])
    assert result.n_steps == 20
    assert failing.n_calls == 3
    assert len(notebook.of("numbers")) == 6
    told = [message for message in caplog.messages if "tracker" in message]
    assert told == [
        "tracker Failing failed and is ignored from now on: ConnectionError: no way out"
    ]


def test_ctrl_c_in_a_tracker_is_ctrl_c(tiny_recipe, tmp_path):
    class Interrupting(Tracker):
        def rollback(self, step):
            raise KeyboardInterrupt

    trackers = [Interrupting()]
    reporter = Reporter(RunDir(tmp_path), tiny_recipe, n_parameters=1, trackers=trackers)
    with pytest.raises(KeyboardInterrupt):
        reporter.rollback(3)


def test_tracker_is_called_on_interruption_and_resumption(tiny_recipe_path, tmp_path):
    def recipe(*changes):
        return Recipe.load(tiny_recipe_path, ["training.save_every_steps=100", *changes])

    class Stopping(Notebook):
        def log_metrics(self, step, kind, values):
            super().log_metrics(step, kind, values)
            raise_ctrl_c()

    def raise_ctrl_c():
        raise KeyboardInterrupt

    first, second = Stopping(), Notebook()
    train(recipe("training.max_steps=10"), tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "run", trackers=[first])
    assert first.calls[-1] == ("close", "stopped")
    train(recipe(), tmp_path / "run", trackers=[second])
    # Step 15 had been told of, but not been saved.
    assert [run.step for [run] in (*first.of("begin"), *second.of("begin"))] == [10, 10]
    assert [step for step, kind, _ in second.of("numbers") if kind == "train"] == [15, 20]
    assert [entry["step"] for entry in entries(tmp_path / "run") if entry["kind"] == "train"] == [
        5,
        10,
        15,
        20,
    ]


def test_steps_are_repeated_after_a_rollback(tiny_recipe_path, tmp_path):
    notebook = Notebook()
    changes = [
        "training.learning_rate=1e12",
        "training.warmup_steps=0",
        "training.max_grad_norm=0",
        "training.max_bad_steps=3",
    ]
    with pytest.raises(mtkit.MtkitError, match="diverged"):
        train(
            Recipe.load(
                tiny_recipe_path, [*changes, "training.log_every_steps=1", "data.validation=null"]
            ),
            tmp_path / "run",
            trackers=[notebook],
        )
    assert notebook.of("back") == [(0,)] * 3
    steps = [step for step, _, _ in notebook.of("numbers")]
    assert len(steps) > len(set(steps))
    assert notebook.calls[-1] == ("close", "failed")
    written = [entry["step"] for entry in entries(tmp_path / "run")]
    assert written == sorted(set(written))


class Csv(mtkit.Tracker):
    """The scores of validation as a table; the example of the guide."""

    def __init__(self, path: str) -> None:
        self.path = path

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        if kind == "validation":
            with open(self.path, "a", newline="") as file:
                csv.writer(file).writerow([step, values["bleu"], values["loss"]])


def test_the_example_of_the_guide(tiny_recipe, tmp_path):
    result = mtkit.train(
        tiny_recipe, tmp_path / "run", trackers=[Csv(str(tmp_path / "scores.csv"))]
    )
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = [[float(cell) for cell in row] for row in csv.reader(file)]
    assert rows == [
        [entry["step"], entry["bleu"], entry["loss"]]
        for entry in entries(result.run_dir)
        if entry["kind"] == "validation"
    ]


def test_non_finite_numbers_are_null(tmp_path):
    from mtkit.checkpoint.run_dir import RunDir
    from mtkit.training.reporting.metrics_file import MetricsFile

    tmp_path.joinpath("metrics.jsonl").write_text("")
    MetricsFile(RunDir(tmp_path)).log_metrics(
        3, "validation", {"loss": float("nan"), "bleu": float("inf"), "chrf": 1.0}
    )
    assert (
        tmp_path / "metrics.jsonl"
    ).read_text() == '{"step": 3, "kind": "validation", "loss": null, "bleu": null, "chrf": 1.0}\n'
    MetricsFile(RunDir(tmp_path)).log_samples(4, [ValidationSample("물", "water", "w")])
    assert "물" in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8")

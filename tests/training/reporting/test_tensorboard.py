"""TensorBoard's files, as its own readers see them."""

import importlib.util
import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginEventAccumulator,
)

from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.reporting.tensorboard import TensorBoard
from mtkit.training.reporting.tracker import TrackedRun, ValidationSample
from mtkit.training.train import train


def numbers(folder):
    """Step and value by tag."""
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def texts(folder, tag):
    """Step and text."""
    reader = PluginEventAccumulator(str(folder))
    reader.Reload()
    return [
        (event.step, event.tensor_proto.string_val[0].decode())
        for event in reader.Tensors(f"{tag}/text_summary")
    ]


def test_a_resumed_run_shows_every_step_once_with_the_numbers_of_metrics_jsonl(
    tiny_recipe_path, tmp_path
):
    def recipe(max_steps):
        return Recipe.load(
            tiny_recipe_path, ["training.trackers=[tensorboard]", f"training.max_steps={max_steps}"]
        )

    run = tmp_path / "run"
    train(recipe(10), run)
    checkpoint = run / "checkpoints" / "step-00000010"
    train(recipe(20), run)
    # As if the machine had stopped just before the checkpoint at 20 was written.
    for path in run.glob("checkpoints/step-*"):
        if path != checkpoint:
            path.rename(tmp_path / path.name)
    train(recipe(20), run)
    assert len(list((run / "tensorboard").iterdir())) == 3
    entries = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    found = numbers(run / "tensorboard")
    assert {tag.split("/")[0] for tag in found} == {"train", "validation"}
    for tag, points in found.items():
        kind, name = tag.split("/")
        expected = [(entry["step"], entry[name]) for entry in entries if entry["kind"] == kind]
        assert [step for step, _ in points] == [step for step, _ in expected]
        assert [value for _, value in points] == pytest.approx(
            [value for _, value in expected], rel=1e-6
        )
    samples = [
        (entry["step"], entry["samples"][1]) for entry in entries if entry["kind"] == "samples"
    ]
    shown = texts(run / "tensorboard", "samples/2")
    assert [step for step, _ in shown] == [10, 20] == [step for step, _ in samples]
    for (_, text), (_, sample) in zip(shown, samples, strict=True):
        assert text.splitlines() == [
            f"    source       {sample['src']}",
            f"    reference    {sample['reference']}",
            f"    translation  {sample['hypothesis']}",
        ]
    assert "training.learning_rate: 0.002" in texts(run / "tensorboard", "recipe")[-1][1]


def test_later_steps_are_removed_after_a_rollback(tmp_path):
    tracker = TensorBoard()
    tracker.start(TrackedRun(tmp_path, {}, 1))
    for step in (10, 20, 30):
        tracker.log_metrics(step, "train", {"loss": float(step)})
    tracker.rollback(10)
    tracker.log_metrics(20, "train", {"loss": 2.0})
    tracker.log_samples(20, [ValidationSample("*a*", "b", "c")])
    tracker.finish("finished")
    assert numbers(tmp_path / "tensorboard") == {"train/loss": [(10, 10.0), (20, 2.0)]}


def test_missing_package_is_reported_before_anything_is_done(
    tiny_recipe_path, tmp_path, monkeypatch
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mtkit.training.reporting.trackers.find_spec",
        lambda name: None if name == "tensorboard" else found(name),
    )
    with pytest.raises(MtkitError) as caught:
        changes = ["training.trackers=[tensorboard]", "data.work_dir=other"]
        train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert (
        caught.value.message
        == "training.trackers: tensorboard needs a package that is not installed"
    )
    assert "pip install 'mtkit[tensorboard]'" in caught.value.hint
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "run").exists()

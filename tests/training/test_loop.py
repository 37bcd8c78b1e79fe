"""Whole runs on a small corpus: what they leave, how they resume, what they refuse."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from safetensors.numpy import load_file

from mtkit.checkpoint.training_state import list_checkpoints, read_state
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.loop import train
from mtkit.training.stopping import Interrupted
from mtkit.translation.translator import Translator


def metrics(run_dir, kind):
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def final_tensors(run_dir):
    newest = list_checkpoints(run_dir / "checkpoints")[-1]
    return newest.name, {**load_file(newest / "model.safetensors"), **load_file(newest / "optimizer.safetensors")}


def same_to_the_bit(first, second):
    name, tensors = final_tensors(first)
    other_name, others = final_tensors(second)
    assert name == other_name
    assert tensors.keys() == others.keys()
    return all((tensors[key] == others[key]).all() for key in tensors)


def test_a_run_leaves_all_that_it_promises(tiny_recipe, tmp_path):
    result = train(tiny_recipe, tmp_path / "run")
    assert result.n_steps == 20
    assert [entry["step"] for entry in metrics(result.run_dir, "train")] == [5, 10, 15, 20]
    assert [entry["step"] for entry in metrics(result.run_dir, "validation")] == [10, 20]
    losses = [entry["loss"] for entry in metrics(result.run_dir, "train")]
    assert losses[-1] < losses[0]
    assert all(entry["grad_norm"] > 0 and entry["tokens_per_s"] > 0 for entry in metrics(result.run_dir, "train"))
    kept = Recipe.load(result.run_dir / "recipe.yaml")
    assert kept.training.accumulate_batches == 1
    assert kept == Recipe.model_validate(tiny_recipe.model_dump() | {"training": tiny_recipe.training.model_dump() | {"accumulate_batches": 1}})
    kinds = {path.suffix for path in result.run_dir.rglob("*") if path.is_file()}
    assert kinds == {".json", ".jsonl", ".yaml", ".safetensors", ".model"}
    # A copy of the model directory alone translates.
    moved = (result.run_dir / "model").rename(tmp_path / "elsewhere")
    assert len(Translator.load(moved).translate(["나는 학교에 간다", "", "물"])) == 3


@pytest.mark.parametrize("accumulate_batches", [1, 2])
def test_ten_steps_resumed_and_ten_more_equal_twenty(tiny_recipe_path, tmp_path, accumulate_batches):
    def recipe(max_steps):
        accumulation = f"training.accumulate_batches={accumulate_batches}"
        return Recipe.load(tiny_recipe_path, [f"training.max_steps={max_steps}", accumulation, "model.dropout=0.3", "model.attention_dropout=0.1"])

    straight = train(recipe(20), tmp_path / "straight")
    train(recipe(10), tmp_path / "broken")
    broken = train(recipe(20), tmp_path / "broken")
    assert broken.n_steps == 20
    assert same_to_the_bit(straight.run_dir, broken.run_dir)
    for key in ("loss", "grad_norm", "lr", "epoch"):
        assert [e[key] for e in metrics(straight.run_dir, "train")] == [e[key] for e in metrics(broken.run_dir, "train")]
    assert straight.best_score == broken.best_score


def test_steps_made_after_the_last_checkpoint_are_made_again(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(tiny_recipe_path, ["training.max_steps=15", "training.save_every_steps=5"])
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "killed")
    newest = list_checkpoints(tmp_path / "killed" / "checkpoints")[-1]
    newest.rename(tmp_path / "lost")  # as if the machine had stopped before it was written
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 15, "half')
    train(recipe, tmp_path / "killed")
    assert same_to_the_bit(tmp_path / "whole", tmp_path / "killed")
    assert [entry["step"] for entry in metrics(tmp_path / "killed", "train")] == [5, 10, 15]


def test_a_signal_saves_and_the_same_call_goes_on(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(tiny_recipe_path, ["training.max_steps=400", "validation.every_steps=400", "training.save_every_steps=400"])
    run = tmp_path / "run"

    def interrupt_once_it_trains():
        while not (run / "metrics.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_trains)
    thread.start()
    with pytest.raises(Interrupted, match="kept: step"):
        train(recipe, run)
    thread.join()
    [checkpoint] = list_checkpoints(run / "checkpoints")
    kept = read_state(checkpoint).step
    assert 5 <= kept < 400
    again = Recipe.load(tiny_recipe_path, [f"training.max_steps={kept + 3}", "validation.every_steps=400", "training.save_every_steps=400"])
    assert train(again, run).n_steps == kept + 3
    straight = train(again, tmp_path / "straight")
    assert same_to_the_bit(run, straight.run_dir)


def test_only_the_newest_and_the_best_checkpoints_stay(tiny_recipe_path, tmp_path):
    changes = ["training.save_every_steps=2", "validation.every_steps=2", "training.keep_last=2", "validation.keep_best=1", "validation.metric=loss"]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    names = [path.name for path in list_checkpoints(result.run_dir / "checkpoints")]
    losses = {entry["step"]: entry["loss"] for entry in metrics(result.run_dir, "validation")}
    best = min(losses, key=lambda step: losses[step])
    assert set(names) == {f"step-{step:08d}" for step in (18, 20, best)}
    assert result.best_score == pytest.approx(losses[best])


def test_patience_stops_early(tiny_recipe_path, tmp_path):
    changes = ["training.learning_rate=1e-9", "validation.every_steps=2", "validation.patience=3", "validation.metric=bleu"]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert result.stopped_early
    assert result.n_steps == 8  # the first validation is the best; three more do not better it
    assert train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run").n_steps == 8


def test_without_validation_the_last_model_is_kept(tiny_recipe_path, tmp_path):
    result = train(Recipe.load(tiny_recipe_path, ["data.validation=null", "training.max_steps=4"]), tmp_path / "run")
    assert result.best_score is None
    newest = list_checkpoints(result.run_dir / "checkpoints")[-1]
    model, checkpoint = load_file(result.model_dir / "model.safetensors"), load_file(newest / "model.safetensors")
    assert all((model[name] == checkpoint[name]).all() for name in checkpoint)


@pytest.mark.parametrize(
    ("change", "named"),
    [("model.d_ff=32", "model.d_ff (64 then, 32 now)"), ("training.seed=7", "training.seed"), ("tokenizer.vocab_size=500", "tokenizer")],
)
def test_a_run_of_other_settings_is_refused(tiny_recipe_path, tmp_path, change, named):
    train(Recipe.load(tiny_recipe_path, ["training.max_steps=2"]), tmp_path / "run")
    before = final_tensors(tmp_path / "run")[0]
    with pytest.raises(MtkitError) as caught:
        train(Recipe.load(tiny_recipe_path, ["training.max_steps=4", change]), tmp_path / "run")
    assert named in caught.value.message
    assert "--out" in caught.value.hint
    assert final_tensors(tmp_path / "run")[0] == before


def test_a_change_of_metric_is_refused(tiny_recipe_path, tmp_path):
    train(Recipe.load(tiny_recipe_path, ["training.max_steps=10"]), tmp_path / "run")
    with pytest.raises(MtkitError, match=r"validation.metric \(bleu then, loss now\)"):
        train(Recipe.load(tiny_recipe_path, ["training.max_steps=20", "validation.metric=loss"]), tmp_path / "run")


def test_a_folder_that_is_no_run_is_left_alone(tiny_recipe, tmp_path):
    folder = tmp_path / "notes"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "thesis.txt").write_text("all I have")
    with pytest.raises(MtkitError, match="holds other things"):
        train(tiny_recipe, folder)
    (folder / "identity.json").write_text("{}")
    with pytest.raises(MtkitError, match=r"holds thesis.txt"):
        train(tiny_recipe, folder)
    assert (folder / "model" / "thesis.txt").read_text() == "all I have"


@pytest.mark.parametrize("metric", ["bleu", "loss"])
def test_a_diverged_run_stops_with_one_clear_line(tiny_recipe_path, tmp_path, metric):
    changes = ["training.learning_rate=1e20", "training.warmup_steps=0", "training.max_grad_norm=0", f"validation.metric={metric}"]
    with pytest.raises(MtkitError, match="diverged") as caught:
        train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert "learning_rate" in caught.value.hint


def test_a_model_directory_that_was_moved_is_made_again(tiny_recipe, tmp_path):
    result = train(tiny_recipe, tmp_path / "run")
    moved = result.model_dir.rename(tmp_path / "moved")
    train(tiny_recipe, tmp_path / "run")
    again, before = load_file(result.model_dir / "model.safetensors"), load_file(moved / "model.safetensors")
    assert all((again[name] == before[name]).all() for name in before)


def test_an_unusable_device_is_one_clear_line(tiny_recipe, tmp_path):
    with pytest.raises(MtkitError, match="device nosuch"):
        train(tiny_recipe, tmp_path / "run", device="nosuch")


def test_two_processes_train_the_same_model(tiny_recipe_path, tmp_path):
    """Nothing depends on the process: hash seeds, thread timing, times of day."""
    code = "import sys; from mtkit.config.recipe import Recipe; from mtkit.training.loop import train; train(Recipe.load(sys.argv[1]), sys.argv[2])"
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", code, tiny_recipe_path, tmp_path / name], check=True)
    assert same_to_the_bit(tmp_path / "first", tmp_path / "second")

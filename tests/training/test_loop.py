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
from mtkit.training.validation import Quality, ValidationResult, Validator
from mtkit.translation.translator import Translator
from tests.torture.killing import differences


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
    # So small a rate changes no weight, so that neither BLEU nor loss gets better.
    changes = ["training.learning_rate=1e-30", "validation.every_steps=2", "validation.patience=3", "validation.metric=bleu"]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert result.stopped_early
    assert result.n_steps == 8  # the first validation is the best; three more do not better it
    assert train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run").n_steps == 8


class Scripted:
    """A validator whose results are written down, by the number of the validation from 1."""

    def __init__(self, monkeypatch, qualities):
        self.qualities, self.n = qualities, 0
        monkeypatch.setattr(Validator, "run", lambda validator: self.next())

    def next(self):
        self.n += 1
        return ValidationResult(self.qualities[self.n - 1], [], [])


def same_weights(model_dir, checkpoint):
    model, other = load_file(model_dir / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    return all((model[name] == other[name]).all() for name in other)


FALLING = [Quality(7 - 0.1 * i, bleu, 5.0) for i, bleu in enumerate([0.5, 0.0, 0.0, 0.3, 0.0])]


def test_while_bleu_is_noise_the_loss_decides_what_is_best_and_when_to_stop(tiny_recipe_path, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "mtkit")
    Scripted(monkeypatch, [*FALLING, Quality(6.7, 0.9, 5.0), Quality(6.8, 0.7, 5.0)])
    changes = ["training.max_steps=20", "validation.every_steps=2", "validation.patience=2", "validation.keep_best=1", "training.keep_last=1"]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert (result.n_steps, result.stopped_early, result.best_score) == (14, True, 0.0)
    assert [entry["step"] for entry in metrics(result.run_dir, "validation") if entry["best"]] == [2, 4, 6, 8, 10]
    assert "done after 14 steps: 2 validations in a row without a better BLEU (validation.patience)" in caplog.messages
    best, last = list_checkpoints(result.run_dir / "checkpoints")
    assert (best.name, last.name) == ("step-00000010", "step-00000014")
    assert same_weights(result.model_dir, best)


def test_which_checkpoint_is_best_is_the_same_after_a_resumption(tiny_recipe_path, tmp_path, monkeypatch):
    qualities = [Quality(5.0, 20.0, 30.0), Quality(4.0, 20.0, 30.0), Quality(4.5, 20.0, 30.0), Quality(3.0, 19.0, 30.0), Quality(3.0, 20.0, 30.0)]

    def recipe(max_steps):
        return Recipe.load(tiny_recipe_path, [f"training.max_steps={max_steps}", "validation.every_steps=2"])

    Scripted(monkeypatch, qualities)
    straight = train(recipe(10), tmp_path / "straight")
    Scripted(monkeypatch, qualities)
    for max_steps in (2, 4, 6, 8, 10):
        parts = train(recipe(max_steps), tmp_path / "parts")
        assert same_weights(parts.model_dir, parts.run_dir / f"checkpoints/step-{[2, 4, 4, 4, 10][max_steps // 2 - 1]:08d}")
    assert differences(straight.model_dir, parts.model_dir) == []
    for path in list_checkpoints(straight.run_dir / "checkpoints"):
        one, other = read_state(path), read_state(parts.run_dir / "checkpoints" / path.name)
        assert (one.rank, one.best_step, one.n_without_best) == (other.rank, other.best_step, other.n_without_best)


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
    changes = ["training.learning_rate=1e12", "training.warmup_steps=0", "training.max_grad_norm=0", f"validation.metric={metric}"]
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

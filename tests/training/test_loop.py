"""Whole runs on a small corpus: what they leave, how they resume, what they refuse."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from safetensors.numpy import load_file

from mtkit.checkpoint.averaging import average
from mtkit.checkpoint.training_checkpoint import best_checkpoints, list_checkpoints, read_state
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.reporting.tracker import Tracker
from mtkit.training.stop_signals import Interrupted
from mtkit.training.train import train
from mtkit.training.validation import Quality, ValidationResult, Validator
from mtkit.translation.translator import Translator
from tests.torture.killing import differences


def metrics(run_dir, kind):
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def final_tensors(run_dir):
    newest = list_checkpoints(run_dir / "checkpoints")[-1]
    return newest.name, {
        **load_file(newest / "model.safetensors"),
        **load_file(newest / "optimizer.safetensors"),
    }


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
    assert all(
        entry["grad_norm"] > 0 and entry["tokens_per_s"] > 0
        for entry in metrics(result.run_dir, "train")
    )
    kept = Recipe.load(result.run_dir / "recipe.yaml")
    assert kept.training.accumulate_batches == 1
    assert kept == Recipe.model_validate(
        tiny_recipe.model_dump()
        | {"training": tiny_recipe.training.model_dump() | {"accumulate_batches": 1}}
    )
    kinds = {path.suffix for path in result.run_dir.rglob("*") if path.is_file()}
    assert kinds == {".json", ".jsonl", ".yaml", ".safetensors", ".model"}
    # A copy of the model directory alone translates.
    moved = (result.run_dir / "model").rename(tmp_path / "elsewhere")
    assert len(Translator.load(moved).translate(["나는 학교에 간다", "", "물"])) == 3


@pytest.mark.parametrize("accumulate_batches", [1, 2])
def test_ten_steps_resumed_and_ten_more_equal_twenty(
    tiny_recipe_path, tmp_path, accumulate_batches
):
    def recipe(max_steps):
        accumulation = f"training.accumulate_batches={accumulate_batches}"
        return Recipe.load(
            tiny_recipe_path,
            [
                f"training.max_steps={max_steps}",
                accumulation,
                "model.dropout=0.3",
                "model.attention_dropout=0.1",
            ],
        )

    straight = train(recipe(20), tmp_path / "straight")
    train(recipe(10), tmp_path / "broken")
    broken = train(recipe(20), tmp_path / "broken")
    assert broken.n_steps == 20
    assert same_to_the_bit(straight.run_dir, broken.run_dir)
    for key in ("loss", "grad_norm", "lr", "epoch"):
        assert [e[key] for e in metrics(straight.run_dir, "train")] == [
            e[key] for e in metrics(broken.run_dir, "train")
        ]
    assert straight.best_score == broken.best_score


def test_steps_after_the_last_checkpoint_are_repeated(tiny_recipe_path, tmp_path):
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


def test_signal_saves_and_the_same_call_resumes(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(
        tiny_recipe_path,
        ["training.max_steps=400", "validation.every_steps=400", "training.save_every_steps=400"],
    )
    run = tmp_path / "run"

    def interrupt_once_it_trains():
        while not (run / "metrics.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_trains)
    thread.start()
    with pytest.raises(Interrupted, match="step"):
        train(recipe, run)
    thread.join()
    [checkpoint] = list_checkpoints(run / "checkpoints")
    kept = read_state(checkpoint).step
    assert 5 <= kept < 400
    again = Recipe.load(
        tiny_recipe_path,
        [
            f"training.max_steps={kept + 3}",
            "validation.every_steps=400",
            "training.save_every_steps=400",
        ],
    )
    assert train(again, run).n_steps == kept + 3
    straight = train(again, tmp_path / "straight")
    assert same_to_the_bit(run, straight.run_dir)


def test_only_the_newest_and_best_checkpoints_are_kept(tiny_recipe_path, tmp_path):
    changes = [
        "training.save_every_steps=2",
        "validation.every_steps=2",
        "training.keep_last=2",
        "validation.keep_best=1",
        "validation.metric=loss",
    ]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    names = [path.name for path in list_checkpoints(result.run_dir / "checkpoints")]
    losses = {entry["step"]: entry["loss"] for entry in metrics(result.run_dir, "validation")}
    best = min(losses, key=lambda step: losses[step])
    assert set(names) == {f"step-{step:08d}" for step in (18, 20, best)}
    assert result.best_score == pytest.approx(losses[best])


def test_patience_stops_early(tiny_recipe_path, tmp_path):
    # So small a rate changes no weight, so that neither BLEU nor loss gets better.
    changes = [
        "training.learning_rate=1e-30",
        "validation.every_steps=2",
        "validation.patience=3",
        "validation.metric=bleu",
    ]
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
    model, other = (
        load_file(model_dir / "model.safetensors"),
        load_file(checkpoint / "model.safetensors"),
    )
    return all((model[name] == other[name]).all() for name in other)


FALLING = [Quality(7 - 0.1 * i, bleu, 5.0) for i, bleu in enumerate([0.5, 0.0, 0.0, 0.3, 0.0])]


def test_loss_decides_while_bleu_is_noise(tiny_recipe_path, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "mtkit")
    Scripted(monkeypatch, [*FALLING, Quality(6.7, 0.9, 5.0), Quality(6.8, 0.7, 5.0)])
    changes = [
        "training.max_steps=20",
        "validation.every_steps=2",
        "validation.patience=2",
        "validation.keep_best=1",
        "training.keep_last=1",
    ]
    result = train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert (result.n_steps, result.stopped_early, result.best_score) == (14, True, 0.0)
    assert [entry["step"] for entry in metrics(result.run_dir, "validation") if entry["best"]] == [
        2,
        4,
        6,
        8,
        10,
    ]
    assert "done: 2 validations without improvement (validation.patience)" in caplog.messages
    best, last = list_checkpoints(result.run_dir / "checkpoints")
    assert (best.name, last.name) == ("step-00000010", "step-00000014")
    assert same_weights(result.model_dir, best)


def test_which_checkpoint_is_best_is_the_same_after_a_resumption(
    tiny_recipe_path, tmp_path, monkeypatch
):
    qualities = [
        Quality(5.0, 20.0, 30.0),
        Quality(4.0, 20.0, 30.0),
        Quality(4.5, 20.0, 30.0),
        Quality(3.0, 19.0, 30.0),
        Quality(3.0, 20.0, 30.0),
    ]

    def recipe(max_steps):
        return Recipe.load(
            tiny_recipe_path, [f"training.max_steps={max_steps}", "validation.every_steps=2"]
        )

    Scripted(monkeypatch, qualities)
    straight = train(recipe(10), tmp_path / "straight")
    Scripted(monkeypatch, qualities)
    for max_steps in (2, 4, 6, 8, 10):
        parts = train(recipe(max_steps), tmp_path / "parts")
        assert same_weights(
            parts.model_dir,
            parts.run_dir / f"checkpoints/step-{[2, 4, 4, 4, 10][max_steps // 2 - 1]:08d}",
        )
    assert differences(straight.model_dir, parts.model_dir) == []
    for path in list_checkpoints(straight.run_dir / "checkpoints"):
        one, other = read_state(path), read_state(parts.run_dir / "checkpoints" / path.name)
        assert (one.rank, one.best_step, one.n_without_best) == (
            other.rank,
            other.best_step,
            other.n_without_best,
        )


def test_without_validation_the_last_model_is_kept(tiny_recipe_path, tmp_path):
    result = train(
        Recipe.load(tiny_recipe_path, ["data.validation=null", "training.max_steps=4"]),
        tmp_path / "run",
    )
    assert result.best_score is None
    newest = list_checkpoints(result.run_dir / "checkpoints")[-1]
    model, checkpoint = (
        load_file(result.model_dir / "model.safetensors"),
        load_file(newest / "model.safetensors"),
    )
    assert all((model[name] == checkpoint[name]).all() for name in checkpoint)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("model.d_ff=32", "model.d_ff (64 then, 32 now)"),
        ("training.seed=7", "training.seed"),
        ("tokenizer.vocab_size=500", "tokenizer"),
    ],
)
def test_a_run_of_other_settings_is_refused(tiny_recipe_path, tmp_path, change, named):
    train(Recipe.load(tiny_recipe_path, ["training.max_steps=2"]), tmp_path / "run")
    before = final_tensors(tmp_path / "run")[0]
    with pytest.raises(MtkitError) as caught:
        train(Recipe.load(tiny_recipe_path, ["training.max_steps=4", change]), tmp_path / "run")
    assert named in caught.value.message
    assert "--output" in caught.value.hint
    assert final_tensors(tmp_path / "run")[0] == before


def test_a_change_of_metric_or_context_is_refused(tiny_recipe_path, tmp_path):
    first = ["training.max_steps=10", "data.context=2"]
    train(Recipe.load(tiny_recipe_path, first), tmp_path / "run")
    changes = r"validation.metric \(bleu then, loss now\), data.context \(2 then, 1 now\)"
    with pytest.raises(MtkitError, match=changes):
        train(
            Recipe.load(
                tiny_recipe_path,
                ["training.max_steps=20", "validation.metric=loss", "data.context=1"],
            ),
            tmp_path / "run",
        )


def test_directory_other_than_a_run_is_left_alone(tiny_recipe, tmp_path):
    folder = tmp_path / "notes"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "thesis.txt").write_text("all I have")
    with pytest.raises(MtkitError, match="contains files that are not"):
        train(tiny_recipe, folder)
    (folder / "identity.json").write_text("{}")
    with pytest.raises(MtkitError, match=r"contains thesis.txt"):
        train(tiny_recipe, folder)
    assert (folder / "model" / "thesis.txt").read_text() == "all I have"


@pytest.mark.parametrize("metric", ["bleu", "loss"])
def test_a_diverged_run_stops_with_one_clear_line(tiny_recipe_path, tmp_path, metric):
    changes = [
        "training.learning_rate=1e12",
        "training.warmup_steps=0",
        "training.max_grad_norm=0",
        f"validation.metric={metric}",
    ]
    with pytest.raises(MtkitError, match="diverged") as caught:
        train(Recipe.load(tiny_recipe_path, changes), tmp_path / "run")
    assert "learning_rate" in caught.value.hint


def warnings_of(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and "warmup" not in record.getMessage()
    ]


def step_of(model_dir):
    return json.loads((model_dir / "config.json").read_text())["history"]["steps"]


@pytest.fixture
def best_at_four(tiny_recipe_path, tmp_path, monkeypatch):
    """A run of 8 steps, validated every other one, which was best at step 4 and next best at step
    2; and its recipe for 8 or more steps.
    """
    qualities = [
        Quality(5.0, 20.0, 30.0),
        Quality(4.0, 25.0, 30.0),
        Quality(4.5, 15.0, 30.0),
        Quality(4.5, 10.0, 30.0),
        Quality(4.5, 12.0, 30.0),
    ]
    Scripted(monkeypatch, qualities)

    def recipe(max_steps=8, *changes):
        every = [
            "clean.test_overlap=off",
            "validation.every_steps=2",
            "training.save_every_steps=2",
            "validation.keep_best=2",
            "training.keep_last=2",
        ]
        return Recipe.load(tiny_recipe_path, [f"training.max_steps={max_steps}", *every, *changes])

    result = train(recipe(), tmp_path / "run")
    assert step_of(result.model_dir) == [4]
    return result, recipe


def test_moved_model_directory_is_recreated(best_at_four, caplog):
    result, recipe = best_at_four
    moved = result.model_dir.rename(result.run_dir.parent / "moved")
    again = train(recipe(), result.run_dir)
    assert differences(moved, result.model_dir) == []
    assert again.best_score == 25.0
    assert warnings_of(caplog) == [
        f"`{result.model_dir}` was missing; it is restored from the checkpoint of step 4"
    ]


def test_model_directory_deleted_during_training_is_recreated(best_at_four):
    result, recipe = best_at_four
    moved = result.model_dir.rename(result.run_dir.parent / "moved")

    class Removing(Tracker):
        def log_metrics(self, step, kind, values):
            if result.model_dir.exists():
                shutil.rmtree(result.model_dir)

    again = train(recipe(10), result.run_dir, trackers=[Removing()])
    assert again.best_score == 25.0
    # Not step 10, which was saved when it was missing.
    assert differences(moved, result.model_dir) == []


def test_foreign_content_of_the_model_directory_is_moved_aside(best_at_four, caplog):
    result, recipe = best_at_four
    before = shutil.copytree(result.model_dir, result.run_dir.parent / "before")
    average(result.run_dir, result.run_dir.parent / "averaged", 2)
    shutil.rmtree(result.model_dir)
    averaged = shutil.copytree(result.run_dir.parent / "averaged", result.model_dir)
    again = train(recipe(), result.run_dir)
    assert again.best_score == 25.0
    assert differences(before, result.model_dir) == []
    assert differences(result.run_dir.parent / "averaged", result.run_dir / "model.other") == []
    assert warnings_of(caplog)[-2:] == [
        f"`{averaged}` was not written by this run; it is kept as `{result.run_dir / 'model.other'}`",
        f"`{averaged}` was missing; it is restored from the checkpoint of step 4",
    ]


def test_next_best_counts_if_the_best_checkpoint_is_gone(best_at_four, caplog):
    result, recipe = best_at_four
    shutil.rmtree(result.run_dir / "checkpoints/step-00000004")
    assert train(recipe(), result.run_dir).best_score == 25.0  # which the model still is
    assert warnings_of(caplog) == [
        "the best checkpoint, of step 4, is missing or damaged; `model/` still has its weights"
    ]
    caplog.clear()
    shutil.rmtree(result.model_dir)
    again = train(recipe(10), result.run_dir)
    assert step_of(result.model_dir) == [2]
    assert again.best_score == 20.0
    assert (
        "the best checkpoint, of step 4, is missing or damaged; step 2 is now the best"
        in warnings_of(caplog)
    )
    assert [entry["best"] for entry in metrics(result.run_dir, "validation")][-1] == 0.0
    assert read_state(list_checkpoints(result.run_dir / "checkpoints")[-1]).best_step == 2


def test_model_of_an_unsaved_step_is_silently_recreated(best_at_four, caplog):
    result, recipe = best_at_four
    before = shutil.copytree(result.model_dir, result.run_dir.parent / "before")
    # As if the process had been killed between the model and the checkpoint of step 10.
    config = json.loads((result.model_dir / "config.json").read_text())
    config["history"]["steps"] = [10]
    (result.model_dir / "config.json").write_text(json.dumps(config))
    train(recipe(), result.run_dir)
    assert differences(before, result.model_dir) == []
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(
    "change",
    [
        "validation.max_sentences=5",
        "validation.beam_size=2",
        "search.max_length_extra=3",
        "data.validation",
    ],
)
def test_scores_that_were_measured_otherwise_do_not_count(
    best_at_four, tiny_recipe_path, caplog, change
):
    result, recipe = best_at_four
    if change == "data.validation":
        for lang in ("ko", "en"):
            path = tiny_recipe_path.parent / f"validation.{lang}"
            path.write_text(
                "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:5]),
                encoding="utf-8",
            )
    again = train(recipe(10, *([] if change == "data.validation" else [change])), result.run_dir)
    # Step 10 is worse than step 4 was, but by another measure.
    assert again.best_score == 12.0
    assert step_of(result.model_dir) == [10]
    assert warnings_of(caplog)[0].startswith(
        "the validation corpora or their translation settings have changed"
    )
    assert [
        path.name for path in best_checkpoints(list_checkpoints(result.run_dir / "checkpoints"), 9)
    ] == ["step-00000010"]


def test_changed_validation_settings_are_reported(best_at_four, caplog):
    caplog.set_level("INFO", "mtkit")
    result, recipe = best_at_four
    assert (
        train(
            recipe(10, "training.log_every_steps=3", "validation.keep_best=3"), result.run_dir
        ).best_score
        == 25.0
    )
    assert "validation.keep_best is 3 from now on; it was 2" in caplog.messages
    assert warnings_of(caplog) == []


def test_a_run_that_loses_its_validation_has_no_best_score(best_at_four, caplog):
    result, recipe = best_at_four
    again = train(recipe(10, "data.validation=null", "validation.patience=3"), result.run_dir)
    assert again.best_score is None
    assert step_of(result.model_dir) == [10]
    first, second = warnings_of(caplog)
    assert first.startswith("data.validation was removed")
    assert (
        second
        == "validation.patience is 3, but training does not stop early without data.validation"
    )


def test_an_unusable_device_is_one_clear_line(tiny_recipe, tmp_path):
    with pytest.raises(MtkitError, match="device nosuch"):
        train(tiny_recipe, tmp_path / "run", device="nosuch")


def test_two_processes_train_the_same_model(tiny_recipe_path, tmp_path):
    """Nothing depends on the process, this one or another: hash seeds, thread timing, times of day."""
    code = "import sys; from mtkit.config.recipe import Recipe; from mtkit.training.train import train; train(Recipe.load(sys.argv[1]), sys.argv[2])"
    train(Recipe.load(tiny_recipe_path), tmp_path / "first")
    shutil.rmtree(tiny_recipe_path.parent / "work")
    command = [sys.executable, "-c", code, tiny_recipe_path, tmp_path / "second"]
    subprocess.run(command, check=True)
    assert same_to_the_bit(tmp_path / "first", tmp_path / "second")

"""Runs that are interrupted, by signals at chosen steps, end file by file where those end that are
left alone.
"""

import os
import signal

import pytest

from mtkit.checkpoint import training_checkpoint
from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.step import Stepper
from mtkit.training.stop_signals import Interrupted
from mtkit.training.train import train
from mtkit.training.validation import Validator
from tests.torture.killing import differences

INT, TERM, USR1 = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
SMALL = [
    "training.max_steps=24",
    "training.save_every_steps=4",
    "training.log_every_steps=7",
    "validation.every_steps=8",
    "validation.max_sentences=2",
    "search.max_length_extra=2",
    "model.dropout=0.3",
    "batches.max_tokens=128",
]


@pytest.fixture
def signal_at(monkeypatch):
    """Sends signals while these steps are made, each once."""

    def install(signals):
        signals = dict(signals)
        make_step = Stepper.step

        def step(self, batches, number, *args):
            for sent in signals.pop(number, ()):
                os.kill(os.getpid(), sent)
            return make_step(self, batches, number, *args)

        monkeypatch.setattr(Stepper, "step", step)

    return install


def train_on(recipes, run):
    """Train, and again after each interruption; returns the steps at which that came."""
    steps = []
    while True:
        try:
            train(recipes[min(len(steps), len(recipes) - 1)], run, device="cpu", n_threads=1)
        except Interrupted:
            steps.append(read_state(list_checkpoints(run / "checkpoints")[-1]).step)
        else:
            return steps


@pytest.mark.parametrize(
    "changes",
    [
        [
            "training.ema_decay=0.9",
            "sampling.src_dropout=0.1",
            "augment.typos=0.2",
            "augment.merge=0.1",
            "training.accumulate_batches=2",
        ],
        [
            "training.average_last=3",
            "training.keep_last=2",
            "validation.metric=loss",
            "validation.patience=2",
        ],
        ["data.validation=null", "training.optimizer=adamw", "training.schedule=cosine"],
    ],
    ids=["everything drawn anew", "average of the last", "no validation"],
)
def test_interrupted_at_any_steps_it_ends_the_same(tiny_recipe_path, tmp_path, signal_at, changes):
    recipe = Recipe.load(tiny_recipe_path, [*SMALL, *changes])
    train(recipe, tmp_path / "alone", device="cpu", n_threads=1)
    signal_at(
        {
            2: [TERM],
            3: [INT],
            5: [USR1],
            6: [USR1],
            8: [TERM],
            13: [USR1],
            14: [TERM],
            21: [INT],
            23: [USR1],
        }
    )
    assert train_on([recipe], tmp_path / "interrupted") == [2, 3, 8, 14, 21]
    assert differences(tmp_path / "alone", tmp_path / "interrupted") == []


def test_another_number_of_workers_changes_nothing(tiny_recipe_path, tmp_path, signal_at):
    changes = [*SMALL, "training.max_steps=12", "sampling.tgt_dropout=0.1"]
    recipe, with_worker = (
        Recipe.load(tiny_recipe_path, [*changes, f"batches.n_workers={n}"]) for n in (0, 1)
    )
    train(recipe, tmp_path / "alone", device="cpu", n_threads=1)
    signal_at({3: [TERM], 9: [TERM]})
    assert train_on([recipe, with_worker, recipe], tmp_path / "interrupted") == [3, 9]
    assert differences(tmp_path / "alone", tmp_path / "interrupted") == []


def test_sigusr1_saves_once_and_training_continues(tiny_recipe_path, tmp_path, signal_at, caplog):
    recipe = Recipe.load(
        tiny_recipe_path,
        ["data.validation=null", "training.max_steps=9", "training.save_every_steps=100"],
    )
    signal_at({4: [USR1], 7: [USR1, TERM]})
    with caplog.at_level("INFO", logger="mtkit"), pytest.raises(Interrupted):
        train(recipe, tmp_path / "run", device="cpu")
    assert [
        record.getMessage() for record in caplog.records if "SIGUSR1" in record.getMessage()
    ] == [
        "step 4: saved on request (SIGUSR1)",
        "step 7: saved on request (SIGUSR1)",
    ]
    assert [path.name for path in list_checkpoints(tmp_path / "run/checkpoints")] == [
        "step-00000007"
    ]


def test_second_signal_exits_at_once_and_loses_only_unsaved_steps(
    tiny_recipe_path, tmp_path, signal_at
):
    recipe = Recipe.load(tiny_recipe_path, SMALL)
    train(recipe, tmp_path / "alone", device="cpu", n_threads=1)
    signal_at({10: [TERM, TERM]})
    with pytest.raises(Interrupted, match="immediately") as caught:
        train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    assert caught.value.signal_number == TERM
    assert read_state(list_checkpoints(tmp_path / "run/checkpoints")[-1]).step == 8
    train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    assert differences(tmp_path / "alone", tmp_path / "run") == []


@pytest.mark.parametrize("n_signals", [1, 2])
def test_signals_within_a_save(tiny_recipe_path, tmp_path, monkeypatch, n_signals):
    recipe = Recipe.load(tiny_recipe_path, SMALL)
    write, saves = training_checkpoint.write_manifest, []

    def write_and_be_asked(folder):
        saves.append(folder)
        if len(saves) == 2:
            for _ in range(n_signals):
                os.kill(os.getpid(), INT)
        write(folder)

    monkeypatch.setattr(training_checkpoint, "write_manifest", write_and_be_asked)
    with pytest.raises(Interrupted, match="step 8 is saved" if n_signals == 1 else "immediately"):
        train(recipe, tmp_path / "run", device="cpu")
    names = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert names == ({"step-00000004", "step-00000008"} if n_signals == 1 else {"step-00000004"})


def test_signal_during_validation_takes_effect_after_it(tiny_recipe_path, tmp_path, monkeypatch):
    run = Validator.run

    def asked(self):
        os.kill(os.getpid(), TERM)
        return run(self)

    monkeypatch.setattr(Validator, "run", asked)
    with pytest.raises(Interrupted, match="step 8 is saved"):
        train(Recipe.load(tiny_recipe_path, SMALL), tmp_path / "run", device="cpu")
    state = read_state(list_checkpoints(tmp_path / "run/checkpoints")[-1])
    assert (state.step, state.is_extra) == (8, False)
    assert state.score is not None


def test_time_limit_saves_and_the_same_call_resumes(tiny_recipe_path, tmp_path, caplog):
    recipe = Recipe.load(tiny_recipe_path, [*SMALL, "training.max_steps=5"])
    train(recipe, tmp_path / "alone", device="cpu", n_threads=1)
    # However little time there is, each call makes an update.
    for n_steps in (1, 2, 3):
        with caplog.at_level("INFO", logger="mtkit"):
            result = train(recipe, tmp_path / "run", device="cpu", n_threads=1, max_time_s=1e-9)
        assert (result.is_time_up, result.n_steps) == (True, n_steps)
        assert (
            caplog.records[-1].getMessage()
            == f"time limit reached: step {n_steps} of 5 is saved; the same command resumes from there"
        )
    result = train(recipe, tmp_path / "run", device="cpu", n_threads=1, max_time_s=3600)
    assert (result.is_time_up, result.n_steps) == (False, 5)
    assert differences(tmp_path / "alone", tmp_path / "run") == []


def test_failed_save_reports_what_is_kept(tiny_recipe_path, tmp_path, monkeypatch):
    recipe = Recipe.load(tiny_recipe_path, SMALL)
    save, n_saved = training_checkpoint.save_tensors, []

    def fail_at_the_third(path, tensors):
        n_saved.append(path)
        if len(n_saved) == 6:
            raise OSError(28, "No space left on device")
        save(path, tensors)

    monkeypatch.setattr(training_checkpoint, "save_tensors", fail_at_the_third)
    with pytest.raises(MtkitError) as caught:
        train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    assert caught.value.message.startswith("step 12 could not be saved: ")
    assert "no space left on device" in caught.value.message
    kept = tmp_path / "run/checkpoints/step-00000008"
    assert (
        caught.value.hint
        == f"free some disk space, or choose another disk; `{kept}` is kept, and the same command resumes from it"
    )
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".tmp")]


def test_damaged_newest_checkpoints_are_recreated(tiny_recipe_path, tmp_path, caplog):
    recipe, part = (
        Recipe.load(
            tiny_recipe_path, [*SMALL, f"training.max_steps={n}", "validation.every_steps=4"]
        )
        for n in (24, 16)
    )
    train(recipe, tmp_path / "alone", device="cpu", n_threads=1)
    train(part, tmp_path / "run", device="cpu", n_threads=1)
    for step in (12, 16):
        path = tmp_path / f"run/checkpoints/step-{step:08d}/optimizer.safetensors"
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
    caplog.clear()
    train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "resuming from step-00000008" in warning
    assert differences(tmp_path / "alone", tmp_path / "run") == []

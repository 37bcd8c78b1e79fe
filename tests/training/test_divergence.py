"""Updates that are not finite: skipped one by one, and when they repeat training goes back and on
at half the rate.
"""

import json
import logging
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from mtkit.checkpoint.training_checkpoint import (
    TrainingState,
    list_checkpoints,
    read_state,
)
from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.engines.lagged_reader import LaggedReader
from mtkit.training import divergence, loop
from mtkit.training.divergence import Diverged, DivergenceMonitor
from mtkit.training.step import Stepper
from mtkit.training.stop_signals import Interrupted
from mtkit.training.train import train

RATE = 0.002


@pytest.fixture
def spoil(monkeypatch):
    """Let updates have a gradient that is not a number, by a weight that is none while they are
    made.
    """
    monkeypatch.setattr(loop, "CHECK_EVERY_STEPS", 1)
    original = Stepper.step

    def where(is_spoilt):
        def step(self, batches, number, rate, n_tokens=None):
            if not is_spoilt(number, rate):
                return original(self, batches, number, rate, n_tokens)
            bias = self.model.encoder_layers[0].self_attention.inner.output.bias
            with torch.no_grad():
                kept = bias[0].item()
                bias[0] = float("nan")
            result = original(self, batches, number, rate, n_tokens)
            with torch.no_grad():
                bias[0] = kept
            return result

        monkeypatch.setattr(Stepper, "step", step)

    return where


def recipe(path, *changes):
    always = [
        "training.schedule=constant",
        "training.warmup_steps=0",
        "training.max_bad_steps=3",
        "training.save_every_steps=5",
    ]
    return Recipe.load(
        path, [*always, f"training.learning_rate={RATE}", "validation.every_steps=100", *changes]
    )


def final_weights(run_dir):
    newest = list_checkpoints(run_dir / "checkpoints")[-1]
    return read_state(newest), load_file(newest / "model.safetensors")


def same(first, second):
    return first.keys() == second.keys() and all(
        (first[name] == second[name]).all() for name in first
    )


def test_single_bad_updates_are_skipped_and_counted(tiny_recipe_path, tmp_path, spoil):
    spoil(lambda number, rate: number in (7, 8, 12))
    result = train(recipe(tiny_recipe_path), tmp_path / "run")
    state, _ = final_weights(result.run_dir)
    assert (state.step, state.n_rollbacks, state.n_bad_in_a_row) == (20, 0, 0)
    entries = [
        json.loads(line)
        for line in (result.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    skipped = {entry["step"]: entry["n_skipped"] for entry in entries if entry["kind"] == "train"}
    assert skipped == {5: 0, 10: 2, 15: 1, 20: 0}


def test_divergence_rolls_back_to_the_last_good_checkpoint_at_half_the_rate(
    tiny_recipe_path, tmp_path, spoil, caplog, monkeypatch
):
    # The same by hand: ten updates, then on at half the rate.
    train(recipe(tiny_recipe_path, "training.max_steps=10"), tmp_path / "by-hand")
    by_hand = train(
        recipe(tiny_recipe_path, f"training.learning_rate={RATE / 2}"), tmp_path / "by-hand"
    )

    spoil(lambda number, rate: number >= 13 and rate > 0.6 * RATE)
    # As on a GPU: step 14 shows it, and step 15, which saves, reads it.
    for module in divergence, loop:
        monkeypatch.setattr(module, "LaggedReader", lambda lag: LaggedReader(1))
    with caplog.at_level(logging.INFO, logger="mtkit"):
        result = train(recipe(tiny_recipe_path, "training.max_bad_steps=2"), tmp_path / "run")
    state, weights = final_weights(result.run_dir)
    assert (state.step, state.n_rollbacks) == (20, 1)
    assert same(weights, final_weights(by_hand.run_dir)[1])
    assert (
        "at step 14 loss or gradient was not finite for 2 updates in a row; rolling back to step 10"
        in caplog.text
    )
    assert "0.5 of the learning rate" in caplog.text


def test_checkpoint_saved_while_diverging_is_skipped(tiny_recipe_path, tmp_path, spoil):
    spoil(lambda number, rate: number >= 9 and rate > 0.6 * RATE)
    result = train(recipe(tiny_recipe_path, "training.max_bad_steps=4"), tmp_path / "run")
    state, weights = final_weights(result.run_dir)
    train(recipe(tiny_recipe_path, "training.max_steps=5"), tmp_path / "by-hand")
    by_hand = train(
        recipe(tiny_recipe_path, f"training.learning_rate={RATE / 2}"), tmp_path / "by-hand"
    )
    assert state.n_rollbacks == 1
    assert same(weights, final_weights(by_hand.run_dir)[1])


def test_divergence_before_the_first_checkpoint_restarts(tiny_recipe_path, tmp_path, spoil):
    by_hand = train(
        recipe(tiny_recipe_path, f"training.learning_rate={RATE / 4}"), tmp_path / "by-hand"
    )
    spoil(lambda number, rate: rate > 0.3 * RATE)
    result = train(recipe(tiny_recipe_path), tmp_path / "run")
    state, weights = final_weights(result.run_dir)
    assert (state.step, state.n_rollbacks) == (20, 2)
    assert same(weights, final_weights(by_hand.run_dir)[1])


def test_interruption_after_a_rollback_ends_with_the_same_weights(
    tiny_recipe_path, tmp_path, spoil
):
    changes = ("training.ema_decay=0.9", "model.dropout=0.2")
    spoil(lambda number, rate: number >= 13 and rate > 0.6 * RATE)
    straight = train(recipe(tiny_recipe_path, *changes), tmp_path / "straight")
    train(recipe(tiny_recipe_path, *changes, "training.max_steps=16"), tmp_path / "broken")
    broken = train(recipe(tiny_recipe_path, *changes), tmp_path / "broken")
    (first, weights), (second, others) = (
        final_weights(straight.run_dir),
        final_weights(broken.run_dir),
    )
    assert first.n_rollbacks == second.n_rollbacks == 1
    assert same(weights, others)


def test_giving_up_has_a_hint_and_keeps_the_good_checkpoints(tiny_recipe_path, tmp_path, spoil):
    spoil(lambda number, rate: number > 10)
    with pytest.raises(
        Diverged, match="2 rollbacks to a lower learning rate did not help"
    ) as caught:
        train(recipe(tiny_recipe_path, "training.max_rollbacks=2"), tmp_path / "run")
    assert "learning_rate" in caught.value.hint
    assert caught.value.exit_status == 3
    assert [read_state(path).step for path in list_checkpoints(tmp_path / "run" / "checkpoints")][
        -1
    ] == 10


def test_signal_while_diverging_keeps_the_count(tiny_recipe_path, tmp_path, spoil, monkeypatch):
    """Bad updates go on being counted where the run was interrupted among them."""
    spoil(lambda number, rate: number >= 13 and rate > 0.6 * RATE)
    spoilt = Stepper.step

    def step(self, batches, number, rate, n_tokens=None):
        if number == 14 and not stopped:
            stopped.append(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return spoilt(self, batches, number, rate, n_tokens)

    stopped: list[int] = []
    monkeypatch.setattr(Stepper, "step", step)
    with pytest.raises(Interrupted):
        train(recipe(tiny_recipe_path), tmp_path / "run")
    assert read_state(list_checkpoints(tmp_path / "run" / "checkpoints")[-1]).n_bad_in_a_row == 2
    result = train(recipe(tiny_recipe_path), tmp_path / "run")
    state, weights = final_weights(result.run_dir)
    train(recipe(tiny_recipe_path, "training.max_steps=10"), tmp_path / "by-hand")
    by_hand = train(
        recipe(tiny_recipe_path, f"training.learning_rate={RATE / 2}"), tmp_path / "by-hand"
    )
    assert state.n_rollbacks == 1
    assert same(weights, final_weights(by_hand.run_dir)[1])


def first_divergence(checks, device, resumed_after=()):
    """The step of the check that reports divergence, and the message.

    Args:
        checks: Count of bad updates, and whether the check waits for it.
        device: Device whose way of reading is used.
        resumed_after: Checks after which a new process continues.
    """
    stepper: Any = SimpleNamespace(
        device=torch.device(device),
        config=TrainingConfig(max_bad_steps=3),
        scaler=SimpleNamespace(is_enabled=lambda: False),
    )
    monitor = DivergenceMonitor(stepper)
    for step, (count, waits) in enumerate(checks):
        stepper.n_bad_in_a_row = torch.tensor(float(count))
        if monitor.has_diverged(step, waits=waits):
            return step, monitor.check_rollbacks(TrainingState(step=step))
        if step in resumed_after:
            monitor = DivergenceMonitor(stepper)
    return None


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=8),
    st.sets(st.integers(0, 7)),
)
def test_a_gpu_finds_the_same_divergence_later_but_before_anything_is_saved(checks, steps):
    checks[-1] = (checks[-1][0], True)
    # A run is interrupted after it has saved, which it does after checks that wait.
    saves = {step for step, (_, waits) in enumerate(checks) if waits}
    plain = first_divergence(checks, "cpu")
    lagged = first_divergence(checks, "cuda")
    assert lagged == first_divergence(checks, "cuda", saves & steps)
    if plain is None or lagged is None:
        assert plain == lagged
        return
    assert lagged[1] == plain[1]
    assert plain[0] <= lagged[0] <= min(plain[0] + 1, *(s for s in saves if s >= plain[0]))

"""Runs on several corpora: what is shown when, resuming, and what may change in between."""

import json
import logging

import pytest
from safetensors.numpy import load_file

from mtkit.checkpoint.training_checkpoint import list_checkpoints, read_state
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.train import train

FAST = ["training.save_every_steps=1000", "data.validation=null", "training.log_every_steps=100"]
STAGES = "[{until_epoch: 1, weights: {second: 0}}, {weights: {first: 0.5, second: 2}}]"


@pytest.fixture
def mixed(tiny_recipe_path):
    """Makes recipes that train on the tiny corpus as two, of 120 and 60 pairs."""
    folder = tiny_recipe_path.parent
    for side in ("ko", "en"):
        lines = (folder / f"train.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        for name, chosen in ("first", lines[:120]), ("second", lines[120:]):
            (folder / f"{name}.{side}").write_text("".join(chosen), encoding="utf-8", newline="\n")
    corpora = ", ".join(
        f"{{name: {name}, src: {folder / name}.ko, tgt: {folder / name}.en}}"
        for name in ("first", "second")
    )

    def recipe(max_steps, *changes, stages=STAGES):
        fixed = [
            f"data.train=[{corpora}]",
            f"data.stages={stages}",
            f"training.max_steps={max_steps}",
        ]
        return Recipe.load(tiny_recipe_path, [*fixed, *FAST, *changes])

    return recipe


def newest(run_dir):
    return list_checkpoints(run_dir / "checkpoints")[-1]


def same_weights(first, second):
    ours, theirs = (load_file(newest(run_dir) / "model.safetensors") for run_dir in (first, second))
    return all((ours[name] == theirs[name]).all() for name in ours)


def test_stages_follow_one_another_and_are_logged(mixed, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="mtkit"):
        train(mixed(1), tmp_path / "run")
    messages = [record.getMessage() for record in caplog.records]
    assert "stage 1 of 2, epochs 1 to 1: 120 pairs per epoch" in messages
    assert "  first: 120 (100.0 %), each of its 120 pairs once" in messages
    [n_batches] = [
        int(message.split()[0]) for message in messages if "batches per epoch" in message
    ]

    run = train(mixed(n_batches), tmp_path / "run").run_dir
    state = read_state(newest(run))
    assert (state.epoch, state.window, state.batch, state.stage) == (1, 0, 0, 2)

    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mtkit"):
        train(mixed(n_batches + 1), tmp_path / "run")
    assert "stage 2 of 2, from epoch 2 on: 180 pairs per epoch" in [
        record.getMessage() for record in caplog.records
    ]


def test_beginning_of_a_stage_is_logged(mixed, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="mtkit"):
        train(mixed(40), tmp_path / "run")
    [told] = [
        record.getMessage() for record in caplog.records if "stage 2 of 2" in record.getMessage()
    ]
    assert told.endswith(
        ": stage 2 of 2, from epoch 2 on: 180 pairs per epoch, first 33.3 %, second 66.7 %"
    )


def test_a_mixed_run_resumes_to_the_bit_and_processes_change_nothing(mixed, tmp_path):
    chance = "sampling.src_dropout=0.2", "augment.merge=0.3", "augment.typos=0.2"
    straight = train(mixed(40, *chance), tmp_path / "straight").run_dir
    train(mixed(23, *chance), tmp_path / "broken")
    broken = train(mixed(40, *chance, "batches.n_workers=2"), tmp_path / "broken").run_dir
    assert same_weights(straight, broken)
    assert read_state(newest(straight)).n_tokens == read_state(newest(broken)).n_tokens
    assert not same_weights(straight, train(mixed(40), tmp_path / "without chance").run_dir)


def test_only_the_mixture_of_future_epochs_may_change(mixed, tmp_path):
    run = train(mixed(2), tmp_path / "run").run_dir
    assert read_state(newest(run)).epoch == 0
    train(
        mixed(
            3,
            stages="[{until_epoch: 1, weights: {second: 0}}, {until_epoch: 3}, {weights: {first: 0}}]",
        ),
        run,
    )
    # Another way to say the same is no change.
    train(
        mixed(
            4,
            "data.temperature=3",
            stages="[{until_epoch: 1, weights: {second: 0, first: 1.0}, temperature: 0.5}, {}]",
        ),
        run,
    )
    with pytest.raises(MtkitError) as caught:
        train(mixed(5, stages="null"), run)
    assert (
        "the mixture of the 1 epochs begun (120 + 0 pairs from epoch 1 then, 120 + 60 pairs from epoch 1 now)"
        in caught.value.message
    )
    assert "until_epoch: 1" in caught.value.hint


def test_changed_sampling_is_logged_and_changed_merging_refused(mixed, tmp_path, caplog):
    train(mixed(2), tmp_path / "run")
    with caplog.at_level(logging.INFO, logger="mtkit"):
        train(mixed(3, "augment.typos=0.5"), tmp_path / "run")
    assert "augment.typos is 0.5 from now on; it was 0.0" in [
        record.getMessage() for record in caplog.records
    ]
    with pytest.raises(MtkitError, match=r"augment\.merge \(0\.0 then, 0\.1 now\)"):
        train(mixed(4, "augment.merge=0.1"), tmp_path / "run")


def test_identity_is_readable_text(mixed, tmp_path):
    run = train(mixed(1), tmp_path / "run").run_dir
    identity = json.loads((run / "identity.json").read_text(encoding="utf-8"))
    assert identity["pairs of each corpus from epoch"] == [[0, [120, 0]], [1, [60, 120]]]

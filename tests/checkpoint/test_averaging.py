"""Averages, against the mean of the files' numbers."""

import logging

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from mtkit.checkpoint.averaging import average, is_worth_averaging
from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.checkpoint.training_checkpoint import (
    WEIGHTS_NAME,
    TrainingState,
    checkpoint_path,
    save_checkpoint,
)
from mtkit.errors import MtkitError
from mtkit.training.distributed.parallel import gather_weights
from mtkit.translation.translator import Translator

SCORES = {10: 8.0, 20: None, 30: 12.0, 40: 9.5, 50: 9.5}


@pytest.fixture
def run_dir(make_trained, tmp_path):
    """A run whose checkpoints have nothing to do with each other, so that each leaves its mark on
    the mean.
    """
    run = tmp_path / "run"
    for step, score in SCORES.items():
        trained = make_trained(seed=step)
        save_checkpoint(
            run / "checkpoints",
            TrainingState(step=step, score=score),
            {WEIGHTS_NAME: gather_weights(trained.model)},
        )
    save_model_dir(run / "model", make_trained(seed=30))
    return run


def damage(path):
    """Flip one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def mean_of(run_dir, steps):
    files = [
        load_file(checkpoint_path(run_dir / "checkpoints", step) / "model.safetensors")
        for step in steps
    ]
    return {
        name: np.mean([file[name].astype(np.float64) for file in files], axis=0)
        for name in files[0]
    }


@pytest.mark.parametrize(
    ("n", "which", "steps"),
    [
        (1, "last", [50]),
        (3, "last", [30, 40, 50]),
        (5, "last", [10, 20, 30, 40, 50]),
        (1, "best", [30]),
        (2, "best", [30, 50]),
        (4, "best", [10, 30, 40, 50]),
    ],
)
def test_the_average_is_the_mean_of_the_chosen(run_dir, tmp_path, n, which, steps, caplog):
    assert average(run_dir, tmp_path / "averaged", n, which) == tmp_path / "averaged"
    found, expected = (
        load_file(tmp_path / "averaged" / "model.safetensors"),
        mean_of(run_dir, steps),
    )
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == np.float32
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_average_is_a_model_that_translates(run_dir, tmp_path):
    average(run_dir, tmp_path / "averaged", 1)
    lines = ["나는 학교에 간다.", "", "물"]
    last = load_model_dir(run_dir / "model")
    weights = load_file(checkpoint_path(run_dir / "checkpoints", 50) / "model.safetensors")
    with torch.no_grad():
        for name, parameter in last.model.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name]))
    save_model_dir(tmp_path / "last", last)
    averaged, expected = (
        Translator.load(tmp_path / name, "cpu", n_workers=1) for name in ("averaged", "last")
    )
    assert averaged.translate(lines) == expected.translate(lines)


@pytest.mark.parametrize(
    ("which", "steps"), [("last", [10, 20, 30, 40, 50]), ("best", [10, 30, 40, 50])]
)
def test_averaging_fewer_checkpoints_than_requested_is_logged(
    run_dir, tmp_path, which, steps, caplog
):
    average(run_dir, tmp_path / "averaged", 8, which)
    expected = mean_of(run_dir, steps)
    for name, tensor in load_file(tmp_path / "averaged" / "model.safetensors").items():
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert len(warnings) == 1
    assert f"has kept {len(steps)} of" in warnings[0]
    assert "8 checkpoints were requested" in warnings[0]


def test_an_average_within_the_run(run_dir):
    average(run_dir, run_dir / "averaged", 2)
    assert {path.name for path in run_dir.iterdir()} == {"checkpoints", "model", "averaged"}
    average(run_dir, run_dir / "averaged", 3)  # again, in its place
    assert {path.name for path in run_dir.iterdir()} == {"checkpoints", "model", "averaged"}


def test_nothing_to_average(tmp_path, run_dir):
    for folder, problem in (
        (tmp_path / "nowhere", "no such directory"),
        (run_dir / "model", "is a model, not a run directory"),
    ):
        with pytest.raises(MtkitError, match=problem) as caught:
            average(folder, tmp_path / "averaged")
        assert f"`{folder}`" in caught.value.message
        assert caught.value.hint
    assert not (tmp_path / "averaged").exists()


def test_best_without_validation_is_an_error(make_trained, tmp_path):
    trained = make_trained()
    save_checkpoint(
        tmp_path / "run/checkpoints",
        TrainingState(step=5),
        {WEIGHTS_NAME: gather_weights(trained.model)},
    )
    save_model_dir(tmp_path / "run/model", trained)
    with pytest.raises(MtkitError, match="no checkpoint was validated"):
        average(tmp_path / "run", tmp_path / "averaged", which="best")
    assert average(tmp_path / "run", tmp_path / "averaged")


@pytest.mark.parametrize(("which", "steps"), [("last", [20, 40, 50]), ("best", [10, 40, 50])])
def test_a_damaged_checkpoint_is_passed_over(run_dir, tmp_path, which, steps, caplog):
    damage(checkpoint_path(run_dir / "checkpoints", 30) / "model.safetensors")
    average(run_dir, tmp_path / "averaged", 3, which)
    expected = mean_of(run_dir, steps)
    for name, tensor in load_file(tmp_path / "averaged" / "model.safetensors").items():
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)
    [warning] = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert warning.startswith("step-00000030 is damaged and skipped: ")
    assert "SHA-256" in warning


def test_where_all_are_damaged_nothing_is_written(run_dir, tmp_path):
    for step in SCORES:
        damage(checkpoint_path(run_dir / "checkpoints", step) / "model.safetensors")
    with pytest.raises(MtkitError, match="every checkpoint of this kind is damaged"):
        average(run_dir, tmp_path / "averaged")
    assert not (tmp_path / "averaged").exists()


@pytest.mark.parametrize("n", [0, -1])
def test_no_number_of_checkpoints(run_dir, tmp_path, n):
    with pytest.raises((MtkitError, ValueError)):
        average(run_dir, tmp_path / "averaged", n)


@pytest.mark.parametrize("out", ["notes", "run", "run/checkpoints"])
def test_directory_other_than_a_model_is_not_replaced(run_dir, tmp_path, out):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("all I have")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MtkitError):
        average(run_dir, tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("steps", "is_worth"),
    [
        ([], False),
        ([16_000, 17_000, 18_000, 19_000], False),  # too few
        ([16_000, 17_000, 18_000, 19_000, 20_000], True),
        ([1000, 2000, 16_000, 17_000, 18_000, 19_000, 19_500], True),
        ([4000, 8000, 12_000, 16_000, 20_000], False),  # from nearly the beginning on
        ([600, 700, 800, 900, 1000], False),  # too close
    ],
)
def test_averaging_is_worthwhile_late_in_a_long_run(tmp_path, steps, is_worth):
    for step in steps:
        save_checkpoint(
            tmp_path / "checkpoints",
            TrainingState(step=step),
            {WEIGHTS_NAME: {"w": torch.zeros(1)}},
        )
    assert is_worth_averaging(tmp_path) == is_worth

"""Room on the disk is looked at before it is needed."""

import logging

import pytest
from torch import nn

from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.sizing import disk_space
from mtkit.training.sizing.disk_space import (
    check_free_space,
    check_free_space_for_run,
    expected_bytes,
    format_bytes,
    free_bytes,
)
from mtkit.training.train import train

MiB = 1 << 20


@pytest.fixture
def free(monkeypatch):
    """Sets how much is free."""
    return lambda n_bytes: monkeypatch.setattr(disk_space, "free_bytes", lambda folder: n_bytes)


@pytest.mark.parametrize(
    "changes", [[], ["training.ema_decay=0.9"], ["training.freeze=['*embedding*']"]]
)
def test_expected_size_is_the_written_size(tiny_recipe_path, tmp_path, changes):
    recipe = Recipe.load(
        tiny_recipe_path, ["training.max_steps=2", "data.validation=null", *changes]
    )
    result = train(recipe, tmp_path / "run", device="cpu", n_threads=1)
    from mtkit.checkpoint.model_dir import load_model_dir
    from mtkit.training.model_setup.freezing import freeze

    model = load_model_dir(result.model_dir).model
    freeze(model, recipe.training.freeze)
    [checkpoint] = list_checkpoints(result.run_dir / "checkpoints")
    written = sum(path.stat().st_size for path in checkpoint.iterdir())
    weights = (result.model_dir / "model.safetensors").stat().st_size
    # Names and shapes take some room too.
    assert 0.7 < expected_bytes(model, recipe.training)[0] / written < 1.0
    assert 0.7 < expected_bytes(model, recipe.training)[1] / weights < 1.0


def test_missing_space_is_reported(tmp_path, free):
    free(5 * MiB)
    check_free_space(tmp_path, 4 * MiB, "")
    with pytest.raises(MtkitError) as caught:
        check_free_space(tmp_path, 9 * MiB, "choose another disk")
    assert (
        caught.value.message == f"`{tmp_path}`: not enough disk space: 10.5 MB needed, 5.2 MB free"
    )
    assert caught.value.hint == "free 5.2 MB there, or choose another disk"


def test_run_that_may_fill_the_disk_is_reported_at_the_start(tmp_path, tiny_recipe, free, caplog):
    model = nn.Linear(1000, 1000, bias=False)  # 4 MB, and 12 MB with its moments
    free(300_000_000)
    check_free_space_for_run(tmp_path, model, tiny_recipe, 0)
    assert not caplog.records
    free(60_000_000)
    with caplog.at_level(logging.WARNING, logger="mtkit"):
        check_free_space_for_run(tmp_path, model, tiny_recipe, 0)
        check_free_space_for_run(tmp_path, model, tiny_recipe, 5)
    [warning] = [record.getMessage() for record in caplog.records]
    assert "up to 6 checkpoints of 12.0 MB, 60.0 MB free" in warning
    free(16_000_000)
    with pytest.raises(MtkitError, match="not enough disk space"):
        check_free_space_for_run(tmp_path, model, tiny_recipe, 5)


def test_missing_directory_is_on_the_disk_of_its_parents(tmp_path):
    assert abs(free_bytes(tmp_path / "a/b/c") - free_bytes(tmp_path)) < 100 * MiB


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0.0 kB"), (1234, "1.2 kB"), (1_250_000, "1.2 MB"), (3_400_000_000, "3.4 GB")],
)
def test_sizes_in_words(n_bytes, text):
    assert format_bytes(n_bytes) == text

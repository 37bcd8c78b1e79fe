"""Averages of weights: by the formula, and what a run does with them."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from mtkit.checkpoint.averaging import average
from mtkit.checkpoint.model_dir import load_model_dir
from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.training.ema import EmaWeights
from mtkit.training.publisher import swapped_weights
from mtkit.training.step import Stepper
from mtkit.training.train import train
from mtkit.training.validation import Quality, ValidationResult, Validator

SHORT = [
    "training.max_steps=12",
    "training.save_every_steps=3",
    "training.keep_last=9",
    "validation.every_steps=3",
    "validation.metric=loss",
    "validation.max_sentences=3",
    "search.max_length_extra=2",
]


def weights_of(model):
    return {
        name: parameter.detach().clone().numpy() for name, parameter in model.named_parameters()
    }


def moving_average(weights, decay):
    """In float64: the first weights are those before any step; the average's share is the lower of
    decay and (1 + step) / (10 + step).
    """
    averages = {name: tensor.astype(np.float64) for name, tensor in weights[0].items()}
    for step, now in enumerate(weights[1:], start=1):
        share = min(decay, (1 + step) / (10 + step))
        averages = {
            name: share * tensor + (1 - share) * now[name] for name, tensor in averages.items()
        }
    return averages


def assert_near(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_allclose(found[name], tensor, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.fixture
def watched(monkeypatch):
    """The weights in training before the first step and after each, and those that each validation
    saw, of the runs of a test.
    """
    in_training, validated = [], []
    make_step, validate = Stepper.step, Validator.run

    def step(self, *args):
        if not in_training:
            in_training.append(weights_of(self.model))
        result = make_step(self, *args)
        in_training.append(weights_of(self.model))
        return result

    def run(self):
        validated.append(weights_of(self.trained.model))
        return validate(self)

    monkeypatch.setattr(Stepper, "step", step)
    monkeypatch.setattr(Validator, "run", run)
    return in_training, validated


def checkpoint(run_dir, step, name="model.safetensors"):
    return load_file(run_dir / "checkpoints" / f"step-{step:08d}" / name)


def test_a_moving_average_follows_the_formula():
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    averaging = EmaWeights(model, decay=0.7)
    seen = [weights_of(model)]
    for step in range(1, 60):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        averaging.update(step)
        seen.append(weights_of(model))
    assert_near(
        {name: tensor.numpy() for name, tensor in averaging.weights.items()},
        moving_average(seen, 0.7),
    )


def test_a_run_validates_and_publishes_the_moving_average_and_trains_on_without_it(
    tiny_recipe_path, tmp_path, watched
):
    in_training, validated = watched
    recipe = Recipe.load(tiny_recipe_path, [*SHORT, "training.ema_decay=0.8"])
    result = train(recipe, tmp_path / "run", n_threads=1)
    assert len(in_training) == 13 and len(validated) == 4
    for i, step in enumerate((3, 6, 9, 12)):
        expected = moving_average(in_training[: step + 1], 0.8)
        assert_near(validated[i], expected)
        assert_near(checkpoint(result.run_dir, step, "average.safetensors"), expected)
        # What goes on is the weights themselves.
        saved = checkpoint(result.run_dir, step)
        assert all((saved[name] == tensor).all() for name, tensor in in_training[step].items())
    # The loss still falls, so the last average is the best.
    published = load_file(result.model_dir / "model.safetensors")
    assert all((published[name] == tensor).all() for name, tensor in validated[-1].items())


def test_training_is_the_same_with_a_moving_average_or_without(tiny_recipe_path, tmp_path):
    runs = [tmp_path / "with", tmp_path / "without"]
    for run, decay in zip(runs, (0.9, 0.0), strict=True):
        train(
            Recipe.load(tiny_recipe_path, [*SHORT, f"training.ema_decay={decay}"]), run, n_threads=1
        )
    first, second = (checkpoint(run, 12) for run in runs)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_resumed_moving_average_is_that_of_an_undisturbed_run(tiny_recipe_path, tmp_path):
    def recipe(max_steps):
        return Recipe.load(
            tiny_recipe_path,
            [
                *SHORT,
                "training.ema_decay=0.8",
                f"training.max_steps={max_steps}",
                "model.dropout=0.3",
            ],
        )

    train(recipe(12), tmp_path / "straight", n_threads=1)
    train(recipe(5), tmp_path / "broken", n_threads=1)
    train(recipe(12), tmp_path / "broken", n_threads=1)
    for name in ("model.safetensors", "average.safetensors", "optimizer.safetensors"):
        first, second = (checkpoint(tmp_path / run, 12, name) for run in ("straight", "broken"))
        assert all((first[key] == second[key]).all() for key in first)


def test_the_last_checkpoints_are_averaged_with_the_weights_in_training(
    tiny_recipe_path, tmp_path, watched
):
    in_training, validated = watched
    recipe = Recipe.load(
        tiny_recipe_path,
        [*SHORT, "training.average_last=3", "training.keep_last=1", "validation.keep_best=1"],
    )
    result = train(recipe, tmp_path / "run", n_threads=1)
    # Early in training there are fewer.
    for i, steps in enumerate([(3,), (3, 6), (3, 6, 9), (6, 9, 12)]):
        assert_near(
            validated[i],
            {
                name: np.mean([in_training[step][name] for step in steps], axis=0)
                for name in in_training[0]
            },
        )
        saved = [path.name for path in list_checkpoints(result.run_dir / "checkpoints")]
    assert saved == ["step-00000006", "step-00000009", "step-00000012"]
    published = load_file(result.model_dir / "model.safetensors")
    assert all((published[name] == tensor).all() for name, tensor in validated[-1].items())
    newest = checkpoint(result.run_dir, 12)
    assert all((newest[name] == tensor).all() for name, tensor in in_training[12].items())
    # A model directory that was moved away is made again of the same average.
    result.model_dir.rename(tmp_path / "moved")
    train(recipe, tmp_path / "run", n_threads=1)
    again = load_file(result.model_dir / "model.safetensors")
    assert all((again[name] == tensor).all() for name, tensor in published.items())


def test_mtkit_average_uses_the_validated_weights(tiny_recipe_path, tmp_path, monkeypatch):
    scores = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(
        Validator, "run", lambda self: ValidationResult(Quality(next(scores)), [], [])
    )
    result = train(
        Recipe.load(tiny_recipe_path, [*SHORT, "training.ema_decay=0.8"]),
        tmp_path / "run",
        n_threads=1,
    )
    average(result.run_dir, tmp_path / "best", 1, "best")
    best, published = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "best", result.model_dir)
    )
    assert all((best[name] == tensor).all() for name, tensor in published.items())
    average(result.run_dir, tmp_path / "last", 2)
    averages = [checkpoint(result.run_dir, step, "average.safetensors") for step in (9, 12)]
    assert_near(
        load_file(tmp_path / "last" / "model.safetensors"),
        {name: (averages[0][name] + averages[1][name]) / 2 for name in averages[0]},
    )


def test_weights_are_put_back_after_an_error(make_trained):
    model = make_trained().model
    own = weights_of(model)
    with pytest.raises(KeyError), swapped_weights(model, {}):
        pass
    with (
        pytest.raises(ZeroDivisionError),
        swapped_weights(model, {name: torch.zeros_like(p) for name, p in model.named_parameters()}),
    ):
        assert not any(parameter.any() for parameter in model.parameters())
        raise ZeroDivisionError
    assert all((parameter == own[name]).all() for name, parameter in weights_of(model).items())


def test_a_published_average_is_a_whole_model(tiny_recipe_path, tmp_path):
    recipe = Recipe.load(
        tiny_recipe_path,
        [*SHORT, "training.max_steps=3", "training.average_last=2", "model.tied_embeddings=output"],
    )
    result = train(recipe, tmp_path / "run", n_threads=1)
    model = load_model_dir(result.model_dir).model
    assert model.output_weight is model.tgt_embedding.weight

"""Label smoothing and dropout: formulas, the loss of training, and the model's own dropout."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtkit.config.model import ModelConfig
from mtkit.inspection.recipe.regularization import dropout_effects, label_smoothing_effect
from mtkit.model.dropout import Dropout
from mtkit.training.loss.token_loss import label_smoothed_loss

VOCAB = 50


def target(smoothing):
    distribution = np.full(VOCAB, smoothing / VOCAB)
    distribution[0] += 1 - smoothing
    return distribution


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_target_and_floor(smoothing):
    effect = label_smoothing_effect(smoothing, VOCAB)
    distribution = target(smoothing)
    assert (effect.correct, effect.other) == pytest.approx((distribution[0], distribution[1]))
    positive = distribution[distribution > 0]
    assert effect.floor == pytest.approx(-(positive * np.log(positive)).sum())
    assert effect.uniform_loss == pytest.approx(math.log(VOCAB))
    for probability, smoothed, plain in effect.curve:
        model = np.full(VOCAB, (1 - probability) / (VOCAB - 1))
        model[0] = probability
        assert smoothed == pytest.approx(-(distribution * np.log(model)).sum())
        assert plain == pytest.approx(-math.log(probability))
        assert smoothed >= effect.floor - 1e-9


def test_the_floor_is_that_of_the_training_loss():
    """A model whose logits differ by the best gap has the lowest loss, and torch agrees."""
    effect = label_smoothing_effect(0.1, VOCAB)
    logits = torch.zeros(1, VOCAB)
    logits[0, 0] = effect.best_logit_gap
    wanted = torch.tensor([0])
    ours = label_smoothed_loss(logits, torch.eye(VOCAB), wanted, 0.1).total
    theirs = F.cross_entropy(logits, wanted, label_smoothing=0.1)
    assert float(ours) == pytest.approx(effect.floor, abs=1e-6)
    assert float(theirs) == pytest.approx(effect.floor, abs=1e-6)
    for other in (-0.5, 0.5):
        logits[0, 0] = effect.best_logit_gap + other
        assert float(F.cross_entropy(logits, wanted, label_smoothing=0.1)) > effect.floor
    certain = torch.full((1, VOCAB), math.log(1e-6 / (VOCAB - 1)))
    certain[0, 0] = math.log(1 - 1e-6)
    loss = float(F.cross_entropy(certain, wanted, label_smoothing=0.1))
    assert effect.loss_if_certain == pytest.approx(loss, abs=1e-4)


def test_without_smoothing_the_gap_is_unlimited():
    effect = label_smoothing_effect(0.0, VOCAB)
    assert effect.floor == 0 and math.isinf(effect.best_logit_gap)


def test_dropout():
    config = ModelConfig(dropout=0.3, attention_dropout=0.1)
    effects = {effect.key: effect for effect in dropout_effects(config)}
    assert list(effects) == [
        "model.dropout",
        "model.attention_dropout",
        "model.activation_dropout",
    ]
    effect = effects["model.dropout"]
    assert effect.scale == pytest.approx(1 / 0.7)
    # The variance of a value x that is 0 with probability p and x / (1 - p) otherwise, over x^2.
    assert effect.noise**2 == pytest.approx(0.7 * (1 / 0.7) ** 2 - 1)
    assert effects["model.activation_dropout"].noise == 0
    assert effects["model.attention_dropout"].rate_on_cpu == 0.1


def test_dropout_as_the_model_does_it_on_a_cpu():
    effect = dropout_effects(ModelConfig(dropout=0.3))[0]
    torch.manual_seed(3)
    dropped = Dropout(0.3).train()(torch.ones(1_000_000))
    zeros = float((dropped == 0).double().mean())
    assert zeros == pytest.approx(effect.rate_on_cpu, abs=0.002)
    assert abs(zeros - effect.rate_on_cpu) < abs(zeros - 0.3)
    assert float(dropped.double().mean()) == pytest.approx(1, abs=0.003)
    assert float(dropped.double().std()) == pytest.approx(effect.noise, abs=0.005)

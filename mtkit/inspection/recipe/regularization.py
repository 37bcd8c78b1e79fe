"""Effect of label smoothing and of dropout, from their formulas."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from mtkit.config.model import ModelConfig
from mtkit.model.dropout import rate_on_cpu

_CURVE = [*(i / 100 for i in range(5, 100)), 0.995, 0.999, 0.9999, 0.99999, 0.999999]
"""Probabilities of the correct token for which the loss is computed."""


@dataclass(frozen=True)
class LabelSmoothing:
    """Target distribution of label smoothing: (1 - s) * one-hot + s / V."""

    smoothing: float
    vocab_size: int
    correct: float
    """Target probability of the correct token."""
    other: float
    """Target probability of every other token."""
    floor: float
    """The lowest possible loss in nats: the entropy of the target distribution."""
    loss_if_certain: float
    """Loss of a model that gives the correct token all but 1 / 1,000,000, spread evenly."""
    uniform_loss: float
    """Loss of a model that gives every token the same probability: ln V."""
    curve: list[tuple[float, float, float]]
    """Probability of the correct token, and the loss with and without label smoothing, where the
    rest of the probability is spread evenly."""
    best_logit_gap: float
    """Logit of the correct token above the others at the lowest loss; without smoothing it would
    grow without limit, given here as infinity."""


class DropoutEffect(NamedTuple):
    """One dropout rate of a recipe."""

    key: str
    """Key of the recipe."""
    where: str
    """Values that it acts on."""
    rate: float
    rate_on_cpu: float
    """Rate rounded to 1/256, as on a CPU; equal to `rate` for `attention_dropout`."""
    scale: float
    """Factor of the values that are kept, 1 / (1 - rate), so that the mean stays the same."""
    noise: float
    """Standard deviation that it adds to a value, relative to it: sqrt(rate / (1 - rate))."""


def label_smoothing_effect(smoothing: float, vocab_size: int) -> LabelSmoothing:
    """Describe label smoothing.

    Args:
        smoothing: Probability mass that is spread over the vocabulary.
        vocab_size: Size of the target vocabulary.
    """
    other = smoothing / vocab_size
    correct = 1.0 - smoothing + other
    others = vocab_size - 1

    def loss(probability: float) -> float:
        rest = (1 - probability) / others
        return -correct * math.log(probability) - (others * other * math.log(rest) if other else 0)

    return LabelSmoothing(
        smoothing,
        vocab_size,
        correct,
        other,
        floor=_plogp(correct) + others * _plogp(other),
        loss_if_certain=loss(1 - 1e-6),
        uniform_loss=math.log(vocab_size),
        curve=[(p, loss(p), -math.log(p)) for p in _CURVE],
        best_logit_gap=math.log(correct / other) if other else math.inf,
    )


def dropout_effects(config: ModelConfig) -> list[DropoutEffect]:
    """Describe the dropout rates of a model, those that are 0 included."""
    rows = (
        ("dropout", "embeddings with positions, and the output of every sublayer"),
        ("attention_dropout", "attention weights"),
        ("activation_dropout", "inner units of the feed-forward networks"),
    )
    return [_effect(name, where, getattr(config, name)) for name, where in rows]


def _effect(name: str, where: str, rate: float) -> DropoutEffect:
    on_cpu = rate if name == "attention_dropout" else rate_on_cpu(rate)
    return DropoutEffect(
        f"model.{name}", where, rate, on_cpu, 1 / (1 - rate), math.sqrt(rate / (1 - rate))
    )


def _plogp(probability: float) -> float:
    return -probability * math.log(probability) if probability else 0.0

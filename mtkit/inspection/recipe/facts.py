"""Facts about a recipe that need no training."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtkit.config.recipe import Recipe
from mtkit.inspection.recipe.parameters import PartSize, parameter_sizes
from mtkit.inspection.recipe.positions import PositionFacts, position_facts
from mtkit.inspection.recipe.regularization import (
    DropoutEffect,
    LabelSmoothing,
    dropout_effects,
    label_smoothing_effect,
)
from mtkit.tokenizer.subword import Tokenizer

_N_POINTS = 201


class RatePoint(NamedTuple):
    """Learning rate of one update."""

    step: int
    rate: float


@dataclass(frozen=True)
class Schedule:
    """Learning rates of a training."""

    name: str
    """Value of `training.schedule`."""
    formula: str
    peak: float
    warmup_steps: int
    max_steps: int
    points: list[RatePoint]
    """About 200 updates, from the first to the last."""
    milestones: list[tuple[str, RatePoint]]


@dataclass(frozen=True)
class RecipeFacts:
    """Facts about a recipe."""

    path: str
    languages: str
    dimensions: dict[str, Any]
    """Section `model:`."""
    vocab_sizes: tuple[int, int]
    """Size of the source and of the target vocabulary."""
    vocab_origin: str
    """Origin of these sizes: the trained tokenizer, or the recipe."""
    schedule: Schedule
    parameters: list[PartSize]
    positions: PositionFacts
    label_smoothing: LabelSmoothing
    dropout: list[DropoutEffect]
    layer_drop: float

    @property
    def n_parameters(self) -> int:
        """Number of parameters of the whole model."""
        return sum(part.n_parameters for part in self.parameters)

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON; infinity is null."""
        return _plain(asdict(self) | {"n_parameters": self.n_parameters})


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.8g}") if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def recipe_facts(path: Path, recipe: Recipe, rate: Callable[[int], float]) -> RecipeFacts:
    """Collect the facts.

    Args:
        path: File of the recipe.
        recipe: The recipe.
        rate: Returns the learning rate of an update, counted from 1.
    """
    vocab_sizes, origin = _vocab_sizes(recipe)
    return RecipeFacts(
        path=str(path),
        languages=f"{recipe.data.src_lang} to {recipe.data.tgt_lang}",
        dimensions=recipe.model.model_dump(mode="json"),
        vocab_sizes=vocab_sizes,
        vocab_origin=origin,
        schedule=_schedule(recipe, rate),
        parameters=parameter_sizes(recipe.model, *vocab_sizes),
        positions=position_facts(recipe.model, recipe.max_sequence_length),
        label_smoothing=label_smoothing_effect(recipe.training.label_smoothing, vocab_sizes[1]),
        dropout=dropout_effects(recipe.model),
        layer_drop=recipe.model.layer_drop,
    )


def _vocab_sizes(recipe: Recipe) -> tuple[tuple[int, int], str]:
    if recipe.tokenizer_dir.is_dir():
        tokenizer = Tokenizer.load(recipe.tokenizer_dir)
        sizes = tokenizer.src.vocab_size, tokenizer.tgt.vocab_size
        return sizes, f"the trained tokenizer in {recipe.tokenizer_dir}"
    size = recipe.tokenizer.vocab_size
    return (size, size), "tokenizer.vocab_size; the tokenizer is not trained yet"


_FORMULAS = {
    "inverse_sqrt": "peak * sqrt(warmup / step)",
    "linear": "peak * (max_steps + 1 - step) / (max_steps + 1 - warmup)",
    "cosine": "peak * (1 - cos(pi * (max_steps + 1 - step) / (max_steps + 1 - warmup))) / 2",
    "constant": "peak",
}
"""Learning rate after the warmup, by schedule."""


def _schedule(recipe: Recipe, rate: Callable[[int], float]) -> Schedule:
    training = recipe.training
    last, warmup = training.max_steps, training.warmup_steps
    steps = np.unique(np.linspace(1, last, min(_N_POINTS, last)).round().astype(int)).tolist()
    if 1 < warmup < last:
        steps = sorted({*steps, warmup})
    peak_step = min(max(warmup, 1), last)
    milestones = {"first update": 1, "peak": peak_step, "half of the updates": max(1, last // 2)}
    milestones["last update"] = last
    return Schedule(
        training.schedule,
        _FORMULAS[training.schedule],
        training.learning_rate,
        warmup,
        last,
        [RatePoint(step, rate(step)) for step in steps],
        [(name, RatePoint(step, rate(step))) for name, step in milestones.items()],
    )

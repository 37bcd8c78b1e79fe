"""The recipe that adapts a model: which settings, and why."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.adaptation.base_model import BaseModel
from mtkit.adaptation.memory_split import Part
from mtkit.adaptation.texts import Domain, TextCounts, TextFiles
from mtkit.config.data import CorpusSource, DataConfig
from mtkit.config.preprocess import PreprocessConfig
from mtkit.config.recipe import Recipe
from mtkit.config.short_recipe import recipe_text
from mtkit.config.training import TrainingConfig

_HEADING = """\
Adaptation of a model to a translation memory; written by `mtkit adapt`, which trains
# with it, as `mtkit train` does."""
_UPDATES_PER_EPOCH = 100
_TOKENS = 512, 4096
"""Minimum and maximum batch size."""
_STEPS = 100, 20_000
"""Minimum and maximum number of updates."""
_N_VALIDATIONS, _PATIENCE = 10, 3
_PAPER_WARMUP_STEPS = 4000
_TEACHER_WEIGHT = 0.5


@dataclass(frozen=True)
class FineTuning:
    """Settings of the training that a user may choose."""

    max_epochs: int = 8
    """Epochs of the memory after which training stops, if validation has not stopped it before."""
    learning_rate: float | None = None
    """Peak learning rate; None is a quarter of that which the model was trained with."""


def adaptation_recipe(
    base: BaseModel, files: TextFiles, counts: TextCounts, ratio: float, tuning: FineTuning
) -> tuple[Recipe, str]:
    """Return the recipe that adapts a model, and its text with reasons in comments.

    Args:
        base: The model.
        files: Files of the texts, relative to the recipe.
        counts: Sizes of the texts.
        ratio: General pairs in an epoch for each pair of the memory.
        tuning: Settings that the user has chosen.
    """
    n_general, n_memory = counts.n_pairs.get("general.train", 0), counts.n_pairs["memory.train"]
    weight = float(f"{ratio * n_memory / n_general:.3g}") if n_general else 0.0
    n_tokens = counts.n_tokens["memory.train"]
    n_tokens += math.ceil(weight * counts.n_tokens.get("general.train", 0))
    max_tokens = _batch_size(n_tokens, base)
    n_steps = _between(_STEPS, math.ceil(tuning.max_epochs * n_tokens / max_tokens))
    every = max(1, n_steps // _N_VALIDATIONS)
    rate, why_rate = _learning_rate(base, tuning)
    is_mixed = weight > 0
    data = _data_config(base, files, counts, weight)
    training: dict[str, Any] = {
        "init_from": base.path.absolute(),
        "max_steps": n_steps,
        "learning_rate": rate,
        "schedule": "cosine",
        "warmup_steps": max(1, n_steps // 10),
        "log_every_steps": max(1, every // 2),
        "save_every_steps": every,
        "keep_last": 1,
    }
    if not is_mixed:
        training |= {"teacher": base.path.absolute(), "teacher_weight": _TEACHER_WEIGHT}
    validation = {
        "every_steps": every,
        # BLEU of a few hundred segments is too noisy to choose among checkpoints that are so close.
        "metric": "loss",
        "keep_best": 1,
        "patience": _PATIENCE,
    }
    tree = _inherited(base) | {"data": data, "validation": validation}
    tree["batches"] = {"max_tokens": max_tokens}
    tree["training"] = tree.get("training", {}) | training
    recipe = Recipe.model_validate(tree)
    reasons = {
        "data.validation": "held out from the memory by a hash of the source"
        + (", and general text" if len(data.validation) > 1 else "")
        + "; selects the checkpoint",
        "data.test": "only for the scores before and after; never trained on",
        "clean.test_overlap": "keeps every held-out line out of training, on either side",
        "batches.max_tokens": f"about {math.ceil(n_tokens / max_tokens)} updates per epoch of"
        f" {n_tokens:,} tokens",
        "training.max_steps": f"{tuning.max_epochs} epochs of the memory, at least {_STEPS[0]}",
        "training.learning_rate": why_rate,
        "training.warmup_steps": "a tenth of the updates",
        "training.teacher": "without general text, the original model keeps the new one near it"
        " (Khayrallah et al. 2018)",
        "validation.metric": "less noisy than BLEU on a few hundred segments",
        "validation.patience": "stops when validation no longer improves",
    }
    return recipe, recipe_text(recipe, _HEADING, reasons)


def _data_config(
    base: BaseModel, files: TextFiles, counts: TextCounts, weight: float
) -> DataConfig:
    def source(domain: Domain, part: Part, **keys: Any) -> list[CorpusSource]:
        if not counts.n_pairs.get(f"{domain}.{part}"):
            return []
        src, tgt = files.paths(domain, part)
        tags = direction.tags if domain == "memory" else direction.general_tags
        keys |= {"tags": tags, "tgt_tags": direction.tgt_tags}
        has_documents = counts.has_documents and domain == "general"
        keys["documents"] = has_documents or not base.config.context
        return [CorpusSource(name=domain, src=src, tgt=tgt, **keys)]

    direction = base.direction
    src_lang, tgt_lang = direction.langs
    general = source("general", "train", weight=weight) if weight else []
    return DataConfig(
        src_lang=src_lang,
        tgt_lang=tgt_lang,
        train=(*source("memory", "train"), *general),
        validation=(*source("memory", "validation"), *source("general", "validation")),
        test=(*source("memory", "test"), *source("general", "test")),
        context=base.config.context,
        work_dir=Path("steps/work"),
    )


def _inherited(base: BaseModel) -> dict[str, Any]:
    """Return the sections that are those of the model or of the recipe it was trained with."""
    max_length = base.config.max_length
    recipe = base.recipe
    if recipe is None:
        return {
            "clean": {"test_overlap": "either"},
            "preprocess": PreprocessConfig(max_length=max_length),
            "search": base.config.search,
        }
    theirs = recipe.training
    return {
        "clean": recipe.clean.model_copy(update={"test_overlap": "either"}),
        "preprocess": recipe.preprocess.model_copy(update={"max_length": max_length}),
        "sampling": recipe.sampling,
        "augment": recipe.augment,
        "search": base.config.search,
        "training": {
            "label_smoothing": theirs.label_smoothing,
            "precision": theirs.precision,
            "seed": theirs.seed,
        },
    }


def _batch_size(n_tokens: int, base: BaseModel) -> int:
    size = _between(_TOKENS, round(n_tokens / _UPDATES_PER_EPOCH))
    # One sentence of the maximum length, with tags and EOS, has to fit.
    return max(size, base.config.max_length + len(base.direction.tags) + 1)


def _learning_rate(base: BaseModel, tuning: FineTuning) -> tuple[float, str]:
    """Return the peak learning rate, and the reason for it."""
    if tuning.learning_rate is not None:
        return tuning.learning_rate, "as requested with --learning-rate"
    theirs: TrainingConfig | None = base.recipe.training if base.recipe is not None else None
    if theirs is not None and theirs.init_from is not None:
        return theirs.learning_rate, "that of the model, which was fine-tuned itself"
    if theirs is not None:
        return _rounded(theirs.learning_rate / 4), "a quarter of that of the original training"
    d_model = base.config.model.d_model
    rate = min(0.002, (d_model * _PAPER_WARMUP_STEPS) ** -0.5)
    why = f"a quarter of the usual peak rate for d_model {d_model}; the model's own is unknown"
    return _rounded(rate / 4), why


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")


def _between(limits: tuple[int, int], value: int) -> int:
    return min(max(value, limits[0]), limits[1])

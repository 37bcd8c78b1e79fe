"""Description of a training run by its log and its identity."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.checkpoint.history import (
    n_training_pairs,
    read_identity,
    read_metrics,
    validation_scores,
)
from mtkit.checkpoint.run_dir import RunDir


@dataclass(frozen=True)
class RunInfo:
    """Progress and scores of a training run."""

    path: str
    step: int | None
    """Last logged update; None if nothing was logged."""
    epoch: int | None
    train_s: float | None
    """Seconds of training."""
    n_pairs: int | None
    """Pairs of the training corpora."""
    data_signature: str | None
    """Hash of the tokenized training data; equal for equal corpora, cleaning and tokenizer."""
    tokenizer_signature: str | None
    """Hash of the tokenizer."""
    seed: int | None
    metric: str | None
    """Score by which the model is selected: bleu, chrf or loss."""
    n_validations: int
    best: dict[str, float] | None
    """Best validation: step, loss, bleu, chrf."""
    last: dict[str, float] | None
    """Last validation: step, loss, bleu, chrf."""


def read_run_info(run_dir: Path) -> RunInfo:
    """Read the log and the identity of a run; unreadable lines and files count as missing."""
    run = RunDir(run_dir)
    return run_info(run_dir, read_identity(run.identity_path), read_metrics(run.metrics_path))


def run_info(run_dir: Path, identity: dict[str, Any], metrics: Iterable[dict[str, Any]]) -> RunInfo:
    """Describe a run by the contents of its identity.json and metrics.jsonl."""
    last_training: dict[str, Any] = {}
    validations: list[dict[str, Any]] = []
    for values in metrics:
        if values.get("kind") == "train":
            last_training = values
        elif values.get("kind") == "validation" and isinstance(values.get("step"), int):
            validations.append(values)
    best = [values for values in validations if values.get("best")]
    return RunInfo(
        path=str(run_dir),
        step=last_training.get("step"),
        epoch=last_training.get("epoch"),
        train_s=last_training.get("train_s"),
        n_pairs=n_training_pairs(identity),
        data_signature=identity.get("training data"),
        tokenizer_signature=identity.get("tokenizer"),
        seed=identity.get("training.seed"),
        metric=identity.get("validation.metric"),
        n_validations=len(validations),
        best=_scored(best[-1]) if best else None,
        last=_scored(validations[-1]) if validations else None,
    )


def _scored(values: dict[str, Any]) -> dict[str, float]:
    return {"step": values["step"], **validation_scores(values)}

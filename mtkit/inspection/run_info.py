"""Description of a training run, from its log and its identity."""

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
    """The progress of a run."""

    path: str
    step: int | None
    """Updates logged so far; None if nothing was logged."""
    epoch: int | None
    train_s: float | None
    """Seconds of training."""
    n_pairs: int | None
    """Pairs of the training corpora."""
    data_signature: str | None
    """Hash of the training data as it was tokenised; equal for equal corpora, cleaning and tokenizer."""
    tokenizer_signature: str | None
    """Hash of the tokenizer that the run trains with."""
    seed: int | None
    metric: str | None
    """The score that decides which model is kept: bleu, chrf or loss."""
    n_validations: int
    best: dict[str, float] | None
    """Step and scores of the best validation: step, loss, bleu, chrf."""
    last: dict[str, float] | None
    """Step and scores of the last validation."""


def read_run_info(run_dir: Path) -> RunInfo:
    """Read what a run says about itself; unreadable lines and files count as missing."""
    run = RunDir(run_dir)
    identity = read_identity(run.identity_path)
    trained: dict[str, Any] = {}
    validations: list[dict[str, Any]] = []
    for values in read_metrics(run.metrics_path):
        if values.get("kind") == "train":
            trained = values
        elif values.get("kind") == "validation" and isinstance(values.get("step"), int):
            validations.append(values)
    best = [values for values in validations if values.get("best")]
    return RunInfo(
        path=str(run_dir),
        step=trained.get("step"),
        epoch=trained.get("epoch"),
        train_s=trained.get("train_s"),
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

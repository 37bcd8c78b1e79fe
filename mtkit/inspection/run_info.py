"""Description of a training run, from its log and its identity."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.checkpoint.run_dir import RunDir


@dataclass(frozen=True)
class RunInfo:
    """How a model was trained."""

    path: str
    step: int | None
    """Updates logged so far; None if nothing was logged."""
    epoch: int | None
    train_s: float | None
    """Seconds of training."""
    n_pairs: int | None
    """Pairs of the training corpora."""
    data_signature: str | None
    """Hash of the training data as it was tokenised; equal for equal data, settings and tokenizer."""
    tokenizer_signature: str | None
    """Hash of the tokenizer that the run trains with."""
    seed: int | None
    metric: str | None
    """The score that decides which model is kept: bleu, chrf or loss."""
    n_validations: int
    best: dict[str, float] | None
    """Step and scores of the model that is kept: step, loss, bleu, chrf."""
    last: dict[str, float] | None
    """Step and scores of the last validation."""


def read_run_info(run_dir: Path) -> RunInfo:
    """Read what a run says about itself; unreadable lines and files count as missing."""
    run = RunDir(run_dir)
    identity = _read_identity(run.identity_path)
    trained: dict[str, Any] = {}
    validations: list[dict[str, Any]] = []
    for values in _read_metrics(run.metrics_path):
        if values.get("kind") == "train":
            trained = values
        elif values.get("kind") == "validation":
            validations.append(values)
    best = [values for values in validations if values.get("best")]
    return RunInfo(
        path=str(run_dir),
        step=trained.get("step"),
        epoch=trained.get("epoch"),
        train_s=trained.get("train_s"),
        n_pairs=_n_pairs(identity),
        data_signature=identity.get("training data"),
        tokenizer_signature=identity.get("tokenizer"),
        seed=identity.get("training.seed"),
        metric=identity.get("validation.metric"),
        n_validations=len(validations),
        best=_scores(best[-1]) if best else None,
        last=_scores(validations[-1]) if validations else None,
    )


def _scores(values: dict[str, Any]) -> dict[str, float]:
    return {name: values[name] for name in ("step", "loss", "bleu", "chrf") if isinstance(values.get(name), int | float)}


def _n_pairs(identity: dict[str, Any]) -> int | None:
    """The identity lists, for each change of the corpora, the epoch from which on they hold and the pairs of each."""
    try:
        return sum(identity["pairs of each corpus from epoch"][-1][1])
    except (KeyError, IndexError, TypeError):
        return None


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        identity = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return identity if isinstance(identity, dict) else {}


def _read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl; the last one may be half written."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield values

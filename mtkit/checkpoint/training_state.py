"""Checkpoints: what training needs to go on as if it had never stopped.

step-00001000/
    state.json               step, place in the data, scores
    model.safetensors        weights
    optimizer.safetensors    moments
    average.safetensors      moving average of the weights, where there is one
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor

from mtkit.checkpoint.weights import read_tensors, save_tensors
from mtkit.errors import MtkitError
from mtkit.files import atomic_dir

STATE_NAME = "state.json"
WEIGHTS_NAME, OPTIMIZER_NAME, AVERAGE_NAME = "model.safetensors", "optimizer.safetensors", "average.safetensors"


@dataclass
class TrainingState:
    """Everything about a run that changes, but for weights and moments."""

    step: int = 0
    """Updates made."""
    epoch: int = 0
    """Place of the next batch in the data: epoch ..."""
    window: int = 0
    """... window of the epoch ..."""
    batch: int = 0
    """... and batch within it."""
    stage: int = 1
    """Stage of the mix to which that epoch belongs, from 1."""
    score: float | None = None
    """Validation score of these weights; larger is better. None if they were not validated."""
    best_score: float | None = None
    """Best score so far."""
    n_without_best: int = 0
    """Validations since then."""
    train_s: float = 0.0
    """Seconds spent so far, validation and saving included."""
    n_tokens: int = 0
    """Target tokens trained on."""
    loss_scale: dict[str, float] = field(default_factory=dict)
    """State of the fp16 loss scaler."""
    n_bad_in_a_row: int = 0
    """Updates skipped since the last good one, because loss or gradient was not finite."""
    n_rollbacks: int = 0
    """How often training went back to an earlier checkpoint; each time halves the learning rate."""


def checkpoint_path(checkpoints_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return checkpoints_dir / f"step-{step:08d}"


def list_checkpoints(checkpoints_dir: Path) -> list[Path]:
    """All complete checkpoints, the oldest first."""
    if not checkpoints_dir.is_dir():
        return []
    return sorted(path for path in checkpoints_dir.iterdir() if re.fullmatch(r"step-\d{8,}", path.name) and (path / STATE_NAME).is_file())


def save_checkpoint(checkpoints_dir: Path, state: TrainingState, files: Mapping[str, Mapping[str, Tensor]]) -> Path:
    """Write a checkpoint, whole or not at all.

    Args:
        checkpoints_dir: Takes it.
        state: All but the tensors.
        files: Named tensors by the name of their file: WEIGHTS_NAME, OPTIMIZER_NAME, AVERAGE_NAME.
    """
    path = checkpoint_path(checkpoints_dir, state.step)
    with atomic_dir(path) as folder:
        for name, tensors in files.items():
            save_tensors(folder / name, dict(tensors))
        (folder / STATE_NAME).write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
    return path


def read_state(checkpoint: Path) -> TrainingState:
    """The state of a checkpoint, without its weights.

    Raises:
        MtkitError: It is missing or damaged.
    """
    path = checkpoint / STATE_NAME
    try:
        return TrainingState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise MtkitError(f"`{path}`: not a training state that mtkit wrote: {exc}", "remove this checkpoint, and the one before it is used") from None


def load_checkpoint(checkpoint: Path, shapes: dict[str, tuple[int, ...]]) -> tuple[TrainingState, dict[str, dict[str, Tensor]]]:
    """A checkpoint's state, and its named tensors by the name of their file.

    Args:
        checkpoint: Its folder.
        shapes: Of the model's parameters, by name.
    Raises:
        MtkitError: It is damaged, or of another model.
    """
    state = read_state(checkpoint)
    files = {WEIGHTS_NAME: read_tensors(checkpoint / WEIGHTS_NAME, shapes), OPTIMIZER_NAME: read_tensors(checkpoint / OPTIMIZER_NAME)}
    if (checkpoint / AVERAGE_NAME).exists():
        files[AVERAGE_NAME] = read_tensors(checkpoint / AVERAGE_NAME, shapes)
    return state, files


def remove_checkpoint(checkpoint: Path) -> None:
    """Remove it."""
    shutil.rmtree(checkpoint)


def prune_checkpoints(checkpoints_dir: Path, keep_last: int, keep_best: int) -> None:
    """Remove all checkpoints but the newest and the best ones."""
    paths = list_checkpoints(checkpoints_dir)
    kept = set(paths[-keep_last:]) | set(best_checkpoints(paths, keep_best))
    for path in paths:
        if path not in kept:
            remove_checkpoint(path)


def best_checkpoints(paths: list[Path], n: int) -> list[Path]:
    """The n validated checkpoints with the highest scores, the best first; of equal ones the newer."""
    scored = [(read_state(path).score, path) for path in paths]
    ranked = sorted(((score, path) for score, path in scored if score is not None), reverse=True)
    return [path for _, path in ranked[:n]]

"""Checkpoints: the complete state of a training run, from which it resumes exactly.

step-00001000/
    state.json               step, position in the data, scores
    model.safetensors        weights
    optimizer.safetensors    optimizer state
    average.safetensors      moving average of the weights, if there is one
    manifest.json            size and SHA-256 of these files, by which damage is detected

A resumed run renames a damaged checkpoint to `step-….damaged`; it is removed when the next
checkpoint has been saved.
"""

import json
import math
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mtkit.checkpoint.file_manifest import (
    MANIFEST_NAME,
    DamagedCheckpoint,
    check_manifest,
    write_manifest,
)
from mtkit.checkpoint.weights import read_tensors, save_tensors
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_dir, remove_dir
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

STATE_NAME = "state.json"
WEIGHTS_NAME, OPTIMIZER_NAME, AVERAGE_NAME = (
    "model.safetensors",
    "optimizer.safetensors",
    "average.safetensors",
)


@dataclass
class TrainingState:
    """State of a run, except for weights and optimizer state."""

    step: int = 0
    """Number of updates."""
    epoch: int = 0
    """Epoch of the next batch, from 0."""
    window: int = 0
    """Window of the epoch that contains the next batch."""
    batch: int = 0
    """Index of the next batch in its window."""
    stage: int = 1
    """Stage of the data mix in that epoch, from 1."""
    score: float | None = None
    """Validation score of these weights; larger is better. None without validation."""
    rank: list[float] | None = None
    """Key by which validated weights are compared; larger is better. None without validation."""
    best_score: float | None = None
    """Score of the best weights so far."""
    best_rank: list[float] | None = None
    """Rank of the best weights so far."""
    best_step: int | None = None
    """Step of the best weights so far."""
    n_without_best: int = 0
    """Number of validations since `best_step`."""
    judge: str = ""
    """Description of the validation that gave these scores, as `Validator.signature`; empty before
    the first validation."""
    train_s: float = 0.0
    """Time spent so far in seconds, including validation and saving."""
    n_tokens: int = 0
    """Number of target tokens trained on."""
    loss_scale: dict[str, float] = field(default_factory=dict)
    """State of the loss scaler for fp16."""
    n_bad_in_a_row: int = 0
    """Number of updates skipped since the last good one, because the loss or gradient was not
    finite."""
    n_rollbacks: int = 0
    """Number of rollbacks to an earlier checkpoint; each halves the learning rate."""
    tally: dict[str, Any] = field(default_factory=dict)
    """Sums over the updates since the last log line."""
    is_extra: bool = False
    """Whether the checkpoint was saved outside the regular schedule, on request; it is removed when
    the next one is saved."""


def checkpoint_path(checkpoints_dir: Path, step: int) -> Path:
    """Return the path of the checkpoint of a step."""
    return checkpoints_dir / f"step-{step:08d}"


def list_checkpoints(checkpoints_dir: Path) -> list[Path]:
    """Return all checkpoints that are intact by names, sizes and state, the oldest first.

    Raises:
        MtkitError: A checkpoint has a newer format.
    """
    return [
        path
        for path in _checkpoint_dirs(checkpoints_dir)
        if _problem(path, hashed=(STATE_NAME,)) is None
    ]


def regular_checkpoints(paths: Iterable[Path]) -> list[Path]:
    """Return the checkpoints that an uninterrupted run would have too."""
    return [path for path in paths if not read_state(path).is_extra]


def save_checkpoint(
    checkpoints_dir: Path, state: TrainingState, files: Mapping[str, Mapping[str, Tensor]]
) -> Path:
    """Write a checkpoint, completely or not at all.

    Args:
        checkpoints_dir: Directory of all checkpoints.
        state: The state without tensors.
        files: Named tensors by file name: WEIGHTS_NAME, OPTIMIZER_NAME, AVERAGE_NAME.
    """
    path = checkpoint_path(checkpoints_dir, state.step)
    with atomic_dir(path) as folder:
        for name, tensors in files.items():
            save_tensors(folder / name, dict(tensors))
        (folder / STATE_NAME).write_text(
            json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8"
        )
        write_manifest(folder)
    return path


def read_state(checkpoint: Path) -> TrainingState:
    """Read the state of a checkpoint without its tensors.

    Raises:
        DamagedCheckpoint: It is missing or damaged.
    """
    path = checkpoint / STATE_NAME
    try:
        return TrainingState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise DamagedCheckpoint(f"`{path}`: not a training state of mtkit: {exc}") from None


def check_checkpoint(checkpoint: Path) -> None:
    """Read a checkpoint completely and compare it with its manifest.

    Raises:
        DamagedCheckpoint: It differs.
        MtkitError: It has a newer format.
    """
    _check(checkpoint, hashed=None)


def load_checkpoint(
    checkpoint: Path, shapes: dict[str, tuple[int, ...]]
) -> tuple[TrainingState, dict[str, dict[str, Tensor]]]:
    """Load the state of a checkpoint, and its named tensors by file name.

    Args:
        checkpoint: Its directory.
        shapes: Shapes of the model's parameters, by name.
    Raises:
        DamagedCheckpoint: It is damaged.
        MtkitError: It belongs to another model, or has a newer format.
    """
    check_checkpoint(checkpoint)
    state = read_state(checkpoint)
    files = {
        WEIGHTS_NAME: read_tensors(checkpoint / WEIGHTS_NAME, shapes),
        OPTIMIZER_NAME: read_tensors(checkpoint / OPTIMIZER_NAME),
    }
    if (checkpoint / AVERAGE_NAME).exists():
        files[AVERAGE_NAME] = read_tensors(checkpoint / AVERAGE_NAME, shapes)
    return state, files


def intact_checkpoints(paths: Iterable[Path], n: int) -> list[Path]:
    """Return the first n checkpoints that are intact, after reading them completely.

    A warning is logged for each damaged one.
    """
    found: list[Path] = []
    for path in paths:
        if len(found) == n:
            break
        if (problem := _problem(path, hashed=None)) is None:
            found.append(path)
        else:
            logger.warning("%s is damaged and skipped: %s", path.name, problem.message)
    return found


def set_aside_damaged(checkpoints_dir: Path) -> None:
    """Rename damaged checkpoints that are newer than the newest intact one to `step-….damaged`.

    Raises:
        MtkitError: All checkpoints are damaged; then none is renamed.
    """
    damaged: list[tuple[Path, str]] = []
    intact = None
    for path in reversed(_checkpoint_dirs(checkpoints_dir)):
        if (problem := _problem(path, hashed=None)) is None:
            intact = path
            break
        damaged.append((path, problem.message))
    if not damaged:
        return
    problems = "; ".join(problem for _, problem in damaged)
    if intact is None:
        raise MtkitError(
            f"no checkpoint is intact: {problems}",
            f"restore one of them from a copy, or remove `{checkpoints_dir}` to start over",
        )
    for path, _ in damaged:
        aside = path.with_name(path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    logger.warning("damaged and skipped: %s; resuming from %s", problems, intact.name)


def remove_checkpoint(checkpoint: Path) -> None:
    """Remove a checkpoint."""
    remove_dir(checkpoint)


def prune_checkpoints(checkpoints_dir: Path, keep_last: int, keep_best: int) -> None:
    """Remove all checkpoints but the newest and the best ones, including damaged ones.

    Of those saved outside the regular schedule, only the newest of all is kept.
    """
    paths = list_checkpoints(checkpoints_dir)
    regular = regular_checkpoints(paths)
    kept = {*regular[-keep_last:], *best_checkpoints(regular, keep_best), *paths[-1:]}
    for path in _checkpoint_dirs(checkpoints_dir, also_set_aside=True):
        if path not in kept:
            remove_checkpoint(path)


def best_checkpoints(paths: list[Path], n: int) -> list[Path]:
    """Return the n validated checkpoints of the highest rank, the best first, newer ones before
    older ones of equal rank.

    Scores from another kind of validation than the newest one are ignored.
    """
    states = [(state, path) for path in paths if (state := read_state(path)).score is not None]
    judge = max(states, key=lambda entry: entry[0].step)[0].judge if states else ""
    comparable = [entry for entry in states if entry[0].judge in (judge, "")]
    ranked = sorted(
        comparable, key=lambda entry: (validation_rank(entry[0]), entry[0].step), reverse=True
    )
    return [path for _, path in ranked[:n]]


def validation_rank(state: TrainingState) -> list[float]:
    """Return the rank of validated weights.

    Earlier releases stored only the score, which ranks below the same score with a loss.
    """
    return (
        state.rank
        if state.rank is not None
        else [-math.inf if state.score is None else state.score]
    )


_DAMAGED = ".damaged"


def _checkpoint_dirs(checkpoints_dir: Path, *, also_set_aside: bool = False) -> list[Path]:
    """Return all checkpoints, intact or not, by step."""
    if not checkpoints_dir.is_dir():
        return []
    pattern = re.compile(rf"step-(\d{{8,}})({re.escape(_DAMAGED)})?")
    found = [
        (int(match[1]), path)
        for path in checkpoints_dir.iterdir()
        if (match := pattern.fullmatch(path.name)) and (also_set_aside or not match[2])
    ]
    return [path for _, path in sorted(found)]


def _problem(checkpoint: Path, hashed: tuple[str, ...] | None) -> DamagedCheckpoint | None:
    try:
        _check(checkpoint, hashed)
    except DamagedCheckpoint as exc:
        return exc
    return None


def _check(checkpoint: Path, hashed: tuple[str, ...] | None) -> None:
    if not (checkpoint / MANIFEST_NAME).exists() and _predates_manifests(checkpoint):
        _check_without_manifest(checkpoint, is_thorough=hashed is None)
    else:
        check_manifest(checkpoint, hashed)
        read_state(checkpoint)


def _predates_manifests(checkpoint: Path) -> bool:
    """Whether a checkpoint was written before there were manifests and the field `is_extra`."""
    try:
        return "is_extra" not in json.loads((checkpoint / STATE_NAME).read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def _check_without_manifest(checkpoint: Path, *, is_thorough: bool) -> None:
    """Check a checkpoint as far as possible without a manifest."""
    read_state(checkpoint)
    for name in (WEIGHTS_NAME, OPTIMIZER_NAME):
        if not (checkpoint / name).is_file():
            raise DamagedCheckpoint(f"`{checkpoint / name}`: missing")
        if is_thorough:
            try:
                read_tensors(checkpoint / name)
            except MtkitError as exc:
                raise DamagedCheckpoint(exc.message) from None

"""Checkpoints: what training needs to go on as if it had never stopped.

step-00001000/
    state.json               step, place in the data, scores
    model.safetensors        weights
    optimizer.safetensors    moments
    average.safetensors      moving average of the weights, where there is one
    manifest.json            size and SHA-256 of these; a checkpoint that is not as it says does not
    count

A folder `step-….damaged` is one that a resumed run passed over; it goes when the next checkpoint
has been saved.
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
    rank: list[float] | None = None
    """Key by which validated weights are compared; larger is better.

    None if they were not validated.
    """
    best_score: float | None = None
    """Score of the best weights so far."""
    best_rank: list[float] | None = None
    """Rank of the best weights so far."""
    best_step: int | None = None
    """Step of the best weights so far."""
    n_without_best: int = 0
    """Validations since then."""
    judge: str = ""
    """What these scores were measured with, as `Validator.signature`; empty before the first
    validation.
    """
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
    tally: dict[str, Any] = field(default_factory=dict)
    """Sums over the updates since the last line of the log."""
    is_extra: bool = False
    """Whether it was saved out of turn, because somebody asked for it; such a checkpoint goes when
    the next one is there.
    """


def checkpoint_path(checkpoints_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return checkpoints_dir / f"step-{step:08d}"


def list_checkpoints(checkpoints_dir: Path) -> list[Path]:
    """All checkpoints that are whole as far as names, sizes and state tell, the oldest first.

    Raises:
        MtkitError: One is of a newer format.
    """
    return [
        path
        for path in _checkpoint_dirs(checkpoints_dir)
        if _problem(path, hashed=(STATE_NAME,)) is None
    ]


def regular_checkpoints(paths: Iterable[Path]) -> list[Path]:
    """Those that a run without interruptions would have too."""
    return [path for path in paths if not read_state(path).is_extra]


def save_checkpoint(
    checkpoints_dir: Path, state: TrainingState, files: Mapping[str, Mapping[str, Tensor]]
) -> Path:
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
        (folder / STATE_NAME).write_text(
            json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8"
        )
        write_manifest(folder)
    return path


def read_state(checkpoint: Path) -> TrainingState:
    """The state of a checkpoint, without its weights.

    Raises:
        DamagedCheckpoint: It is missing, or not what was written.
    """
    path = checkpoint / STATE_NAME
    try:
        return TrainingState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise DamagedCheckpoint(f"`{path}`: not a training state that mtkit wrote: {exc}") from None


def check_checkpoint(checkpoint: Path) -> None:
    """Read a checkpoint whole and compare it with its manifest.

    Raises:
        DamagedCheckpoint: It is not as it was written.
        MtkitError: It is of a newer format.
    """
    _check(checkpoint, hashed=None)


def load_checkpoint(
    checkpoint: Path, shapes: dict[str, tuple[int, ...]]
) -> tuple[TrainingState, dict[str, dict[str, Tensor]]]:
    """A checkpoint's state, and its named tensors by the name of their file.

    Args:
        checkpoint: Its folder.
        shapes: Of the model's parameters, by name.
    Raises:
        DamagedCheckpoint: It is not as it was written.
        MtkitError: It is of another model, or of a newer format.
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
    """The first n that are whole, read to the last byte; a warning tells those that are passed
    over.
    """
    found: list[Path] = []
    for path in paths:
        if len(found) == n:
            break
        if (problem := _problem(path, hashed=None)) is None:
            found.append(path)
        else:
            logger.warning("%s is damaged and passed over: %s", path.name, problem.message)
    return found


def set_aside_damaged(checkpoints_dir: Path) -> None:
    """See to it that the newest checkpoint is whole, to the last byte: damaged ones that are newer
    are renamed to `step-….damaged`.

    Raises:
        MtkitError: There are checkpoints, and all are damaged; nothing is renamed then.
    """
    passed: list[tuple[Path, str]] = []
    good = None
    for path in reversed(_checkpoint_dirs(checkpoints_dir)):
        if (problem := _problem(path, hashed=None)) is None:
            good = path
            break
        passed.append((path, problem.message))
    if not passed:
        return
    told = "; ".join(problem for _, problem in passed)
    if good is None:
        raise MtkitError(
            f"no checkpoint is whole: {told}",
            f"copy one of them again; or remove `{checkpoints_dir}`, and training starts anew",
        )
    for path, _ in passed:
        aside = path.with_name(path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    logger.warning("damaged and passed over: %s; going on from %s", told, good.name)


def remove_checkpoint(checkpoint: Path) -> None:
    """Remove it."""
    remove_dir(checkpoint)


def prune_checkpoints(checkpoints_dir: Path, keep_last: int, keep_best: int) -> None:
    """Remove all checkpoints but the newest and the best ones; of those saved out of turn only the
    newest of all stays. Damaged ones go.
    """
    paths = list_checkpoints(checkpoints_dir)
    regular = regular_checkpoints(paths)
    kept = {*regular[-keep_last:], *best_checkpoints(regular, keep_best), *paths[-1:]}
    for path in _checkpoint_dirs(checkpoints_dir, also_set_aside=True):
        if path not in kept:
            remove_checkpoint(path)


def best_checkpoints(paths: list[Path], n: int) -> list[Path]:
    """Return the n validated checkpoints of the highest rank, the best first; of equal ones the
    newer.

    Scores that were measured in another way than the newest one do not count.
    """
    states = [(state, path) for path in paths if (state := read_state(path)).score is not None]
    judge = max(states, key=lambda entry: entry[0].step)[0].judge if states else ""
    comparable = [entry for entry in states if entry[0].judge in (judge, "")]
    ranked = sorted(
        comparable, key=lambda entry: (validation_rank(entry[0]), entry[0].step), reverse=True
    )
    return [path for _, path in ranked[:n]]


def validation_rank(state: TrainingState) -> list[float]:
    """Return the rank of validated weights; earlier releases stored only the score, which then
    ranks below the same score with a loss.
    """
    return (
        state.rank
        if state.rank is not None
        else [-math.inf if state.score is None else state.score]
    )


_DAMAGED = ".damaged"


def _checkpoint_dirs(checkpoints_dir: Path, *, also_set_aside: bool = False) -> list[Path]:
    """What was made as a checkpoint, whole or not, by step."""
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
    """Whether it was written before there were manifests, and so before states told whether they
    are extra.
    """
    try:
        return "is_extra" not in json.loads((checkpoint / STATE_NAME).read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def _check_without_manifest(checkpoint: Path, *, is_thorough: bool) -> None:
    """What can be known without a manifest."""
    read_state(checkpoint)
    for name in (WEIGHTS_NAME, OPTIMIZER_NAME):
        if not (checkpoint / name).is_file():
            raise DamagedCheckpoint(f"`{checkpoint / name}`: missing")
        if is_thorough:
            try:
                read_tensors(checkpoint / name)
            except MtkitError as exc:
                raise DamagedCheckpoint(exc.message) from None

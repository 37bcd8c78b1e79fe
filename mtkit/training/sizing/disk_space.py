"""Whether what will be written finds room on the disk."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.freezing import n_parameters, n_trained

logger = get_logger(__name__)

_NUMBER_BYTES = 4
_BESIDES = 1 << 20
"""Bytes for all that is not tensors: tokenizer, state, manifest, metrics, folders."""


def tensor_bytes(files: Mapping[str, Mapping[str, Tensor]]) -> int:
    """How large the tensors of some files are."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensors in files.values()
        for tensor in tensors.values()
    )


def expected_bytes(model: nn.Module, config: TrainingConfig) -> tuple[int, int]:
    """How large a checkpoint of a model will be, and its model directory; but for what is small."""
    n_weights, n_moments = n_parameters(model), 2 * n_trained(model)
    n_averages = n_weights if config.ema_decay else 0
    return _NUMBER_BYTES * (n_weights + n_moments + n_averages), _NUMBER_BYTES * n_weights


def check_free_space(folder: Path, n_bytes: int, hint: str) -> None:
    """See whether so much can be written beside all that is there: what is replaced goes only after the new one has come.

    Args:
        folder: On the disk in question; need not be there yet.
        n_bytes: Size of the tensors.
        hint: What else to do than to make room; may be empty.
    Raises:
        MtkitError: It cannot; says how much is missing.
    """
    n_bytes += _BESIDES
    if (free := free_bytes(folder)) < n_bytes:
        what = f"{format_bytes(n_bytes)} will be written, and {format_bytes(free)} are free: {format_bytes(n_bytes - free)} are missing"
        raise MtkitError(
            f"`{folder}`: no room on the disk: {what}",
            "make room there" + (f", or {hint}" if hint else ""),
        )


def check_free_space_for_run(folder: Path, model: nn.Module, recipe: Recipe, n_kept: int) -> None:
    """See at the start whether a run finds room: an error if not even one more checkpoint does, a warning if all that are kept may not.

    Args:
        folder: The run's.
        model: What is trained.
        recipe: Says how many checkpoints are kept.
        n_kept: How many are there already.
    Raises:
        MtkitError: There is no room for one.
    """
    checkpoint, model_dir = expected_bytes(model, recipe.training)
    check_free_space(folder, checkpoint + model_dir, "choose another disk with --out")
    n_most = max_checkpoints(recipe)
    n_bytes = max(0, n_most - n_kept) * checkpoint + 2 * model_dir + _BESIDES
    if (free := free_bytes(folder)) < n_bytes:
        logger.warning(
            "the disk of %s may become full: up to %d checkpoints of %s, and %s are free; training.keep_last and validation.keep_best keep fewer",
            folder, n_most, format_bytes(checkpoint), format_bytes(free),
        )  # fmt: skip


def max_checkpoints(recipe: Recipe) -> int:
    """How many checkpoints of a run there may be at a time: those that are kept, and the one that is being written."""
    n_best = recipe.validation.keep_best if recipe.data.validation else 0
    return recipe.training.n_newest + n_best + 1


def free_bytes(folder: Path) -> int:
    """Free on the disk of a folder, which need not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def format_bytes(n_bytes: int) -> str:
    """For example `1.2 GB`."""
    for unit, size in ("GB", 10**9), ("MB", 10**6):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1000:.1f} kB"

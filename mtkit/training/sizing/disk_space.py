"""Disk space that a run needs."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.transformer import n_parameters
from mtkit.training.model_setup.freezing import n_trained

logger = get_logger(__name__)

_BYTES_PER_NUMBER = 4
_OTHER_BYTES = 1 << 20
"""Bytes of everything that is not a tensor: tokenizer, state, manifest, metrics, directories."""


def tensor_bytes(files: Mapping[str, Mapping[str, Tensor]]) -> int:
    """Return the size of the tensors of some files."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensors in files.values()
        for tensor in tensors.values()
    )


def expected_bytes(model: nn.Module, config: TrainingConfig) -> tuple[int, int]:
    """Return the approximate size of a checkpoint and of the model directory."""
    n_weights, n_moments = n_parameters(model), 2 * n_trained(model)
    n_averages = n_weights if config.ema_decay else 0
    n_numbers = n_weights + n_moments + n_averages
    return _BYTES_PER_NUMBER * n_numbers, _BYTES_PER_NUMBER * n_weights


def check_free_space(directory: Path, n_bytes: int, hint: str) -> None:
    """Check that files can be written in addition to existing ones, which are replaced afterwards.

    Args:
        directory: Directory on the disk; need not exist.
        n_bytes: Size of the tensors.
        hint: Alternative to freeing disk space; may be empty.
    Raises:
        MtkitError: There is not enough free space.
    """
    n_bytes += _OTHER_BYTES
    if (free := free_bytes(directory)) < n_bytes:
        missing = format_bytes(n_bytes - free)
        raise MtkitError(
            f"`{directory}`: not enough disk space: {format_bytes(n_bytes)} needed,"
            f" {format_bytes(free)} free",
            f"free {missing} there" + (f", or {hint}" if hint else ""),
        )


def check_free_space_for_run(
    directory: Path, model: nn.Module, recipe: Recipe, n_checkpoints: int
) -> None:
    """Check at the start that a run can save a checkpoint; warn if it may not be able to save all.

    Args:
        directory: Directory of the run.
        model: The model.
        recipe: Determines how many checkpoints are kept.
        n_checkpoints: Number of existing checkpoints.
    Raises:
        MtkitError: There is not enough space for one.
    """
    checkpoint, model_dir = expected_bytes(model, recipe.training)
    check_free_space(directory, checkpoint + model_dir, "choose another disk for the output")
    n_max = max_checkpoints(recipe)
    n_bytes = max(0, n_max - n_checkpoints) * checkpoint + 2 * model_dir + _OTHER_BYTES
    if (free := free_bytes(directory)) < n_bytes:
        logger.warning(
            "the disk of %s may become full: up to %d checkpoints of %s, %s free;"
            " training.keep_last and validation.keep_best keep fewer",
            directory,
            n_max,
            format_bytes(checkpoint),
            format_bytes(free),
        )


def max_checkpoints(recipe: Recipe) -> int:
    """Return the maximum number of checkpoints at a time: those kept, and the one being written."""
    n_best = recipe.validation.keep_best if recipe.data.validation else 0
    return recipe.training.n_newest + n_best + 1


def free_bytes(directory: Path) -> int:
    """Return the free space on the disk of a directory, which need not exist."""
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free


def format_bytes(n_bytes: int) -> str:
    """Format a size, for example `1.2 GB`."""
    for unit, size in ("GB", 10**9), ("MB", 10**6):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1000:.1f} kB"

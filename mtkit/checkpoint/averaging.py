"""Averages of checkpoints, which usually translate better than any single checkpoint."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mtkit.checkpoint.history import read_history
from mtkit.checkpoint.model_dir import (
    load_model_dir,
    refuse_foreign_dir,
    save_model_dir,
    with_history,
)
from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import (
    AVERAGE_NAME,
    WEIGHTS_NAME,
    best_checkpoints,
    intact_checkpoints,
    list_checkpoints,
    read_state,
)
from mtkit.checkpoint.weights import read_tensors
from mtkit.errors import MtkitError
from mtkit.io.arguments import require_count
from mtkit.io.find_model import refuse_no_run
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer

logger = get_logger(__name__)

_MIN_STEPS_APART = 200
"""Minimum distance of checkpoints; closer ones are nearly equal, and come from a very short
training."""


def average(
    run_dir: Path | str, out_dir: Path | str, n: int = 5, which: Literal["last", "best"] = "last"
) -> Path:
    """Average the weights of checkpoints into a model directory (Vaswani et al. 2017, section 6.1).

    Damaged checkpoints are skipped with a warning. If a run keeps moving averages of its weights,
    these are averaged, since the validation scores are those of the moving averages.

    Args:
        run_dir: A run of `train`.
        out_dir: The model directory to write.
        n: Number of checkpoints; fewer are used if the run has kept fewer.
        which: The newest, or those with the best validation scores.
    Returns:
        `out_dir`.
    Raises:
        MtkitError: The directory is not a run, or has no checkpoints of this kind; or `out_dir`
            contains something other than a model.
        ValueError: n is below 1, or `which` is invalid.
    """
    require_count(n, "n")
    if which not in ("last", "best"):
        raise ValueError(f"which is {which!r}; give last or best")
    run, out_dir = RunDir(Path(run_dir)), Path(out_dir)
    refuse_foreign_dir(out_dir)
    refuse_no_run(Path(run_dir))
    paths = list_checkpoints(run.checkpoints_dir)
    if not paths:
        raise MtkitError(
            f"`{run_dir}`: no checkpoints to average",
            "give the run directory that `mtkit train` wrote",
        )
    ranked = list(reversed(paths)) if which == "last" else best_checkpoints(paths, len(paths))
    if not ranked:
        raise MtkitError(
            f"`{run_dir}`: no checkpoint was validated, so the best are unknown",
            "average the last ones, or train with data.validation",
        )
    chosen = intact_checkpoints(ranked, n)
    if not chosen:
        raise MtkitError(
            f"`{run_dir}`: every checkpoint of this kind is damaged",
            "restore them from an intact copy",
        )
    if len(chosen) < n:
        logger.warning(
            "%d checkpoints were requested; the run has kept %d of this kind", n, len(chosen)
        )
    trained = load_model_dir(run.model_dir)
    load_mean(trained.model, chosen)
    steps = sorted(read_state(path).step for path in chosen)
    save_model_dir(out_dir, with_history(trained, read_history(run, steps)))
    logger.info("averaged %s", ", ".join(path.name for path in sorted(chosen)))
    return out_dir


def is_worth_averaging(run_dir: Path, n: int = 5) -> bool:
    """Whether an average is likely to be better than the newest checkpoint.

    This requires n checkpoints, some hundred updates apart, all in the second half of the training,
    when the weights change slowly.
    """
    steps = [read_state(path).step for path in list_checkpoints(RunDir(run_dir).checkpoints_dir)][
        -n:
    ]
    return (
        len(steps) == n
        and 2 * steps[0] >= steps[-1]
        and steps[-1] - steps[0] >= (n - 1) * _MIN_STEPS_APART
    )


def load_mean(model: Transformer, checkpoints: Sequence[Path]) -> None:
    """Set the parameters of a model to the mean of those of checkpoints.

    Where a checkpoint has moving averages of its weights, these are taken.

    Args:
        model: The model; it stays on its device.
        checkpoints: Intact checkpoints, at least one.
    Raises:
        MtkitError: A file is damaged, or belongs to another model.
    """
    files = [
        path / (AVERAGE_NAME if (path / AVERAGE_NAME).exists() else WEIGHTS_NAME)
        for path in checkpoints
    ]
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    weights = average_weights(files, shapes)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


def average_weights(
    files: Sequence[Path],
    shapes: Mapping[str, tuple[int, ...]],
    also: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return the mean of the weights of several files, summed in float64.

    Args:
        files: At least one file, unless `also` is given.
        shapes: Shapes of the parameters, by name.
        also: Further weights, which count as one more file.
    Raises:
        MtkitError: A file is damaged, or belongs to another model.
    """
    sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    sources = chain(
        (read_tensors(path, dict(shapes)) for path in files), [] if also is None else [also]
    )
    for source in sources:
        for name, tensor in source.items():
            sums[name] += tensor.cpu()
    n = len(files) + (also is not None)
    return {name: (total / n).float() for name, total in sums.items()}

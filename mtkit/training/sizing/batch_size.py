"""Batch size: positions of a batch, and batches of an update."""

import json
from typing import Any, NamedTuple

import torch

from mtkit.checkpoint.run_dir import RunDir
from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.training.distributed.parallel import Parallel
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.update_size import describe_update, round_up

logger = get_logger(__name__)

_LARGE_BATCH_TOKENS = 1 << 16


class BatchSize(NamedTuple):
    """Batch size of a run."""

    max_tokens: int
    """Maximum size of a batch, in padded positions."""
    n_batches: int
    """Batches of an update, over all processes."""
    effective_tokens: int | None
    """Size of an update that the recipe asks for."""


def with_batch_size(
    recipe: Recipe, run: RunDir, device: torch.device, parallel: Parallel
) -> Recipe:
    """Return the recipe with numbers for batches.max_tokens and training.accumulate_batches.

    A resumed run keeps its batch size, on any device and with any number of processes, unless the
    recipe asks for another one.

    Args:
        recipe: The recipe; its token store exists.
        run: Directory of the run; need not exist.
        device: Device on which the batch size is measured.
        parallel: Processes that share an update.
    Raises:
        MtkitError: The batches of an update cannot be divided evenly, or one of the longest
            sentences does not fit into memory.
    """
    # Only process 0 is sure to see the run directory.
    saved = saved_batch_size(run) if parallel.is_main else None
    saved = json.loads(parallel.broadcast_text(json.dumps(saved)))
    size = _decide(recipe, run, None if saved is None else BatchSize(*saved), device, parallel)
    batches = recipe.batches.model_copy(update={"max_tokens": size.max_tokens})
    training = recipe.training.model_copy(update={"accumulate_batches": size.n_batches})
    return recipe.model_copy(update={"batches": batches, "training": training})


def n_activation_values(recipe: Recipe) -> int:
    """Return the number of values of an activation of the model's width in the largest batch.

    If the batch size is yet to be measured, a large one is assumed.
    """
    max_tokens = recipe.batches.max_tokens
    return recipe.model.d_model * (_LARGE_BATCH_TOKENS if max_tokens == "auto" else max_tokens)


def saved_batch_size(run: RunDir) -> BatchSize | None:
    """Return the batch size of a run that has checkpoints; None for a new run."""
    if not list_checkpoints(run.checkpoints_dir):
        return None
    try:
        known: dict[str, Any] = json.loads(run.identity_path.read_text(encoding="utf-8"))
        return BatchSize(
            int(known["batches.max_tokens"]),
            int(known["training.accumulate_batches"]),
            known.get("batches.effective_tokens"),
        )
    except (OSError, ValueError, TypeError, KeyError):
        # Problems are reported when the runs are compared.
        return None


def _decide(
    recipe: Recipe, run: RunDir, saved: BatchSize | None, device: torch.device, parallel: Parallel
) -> BatchSize:
    max_tokens, effective = recipe.batches.max_tokens, recipe.batches.effective_tokens
    n_given, n_processes = recipe.training.accumulate_batches, parallel.world_size
    # A resumed run, unless the recipe asks for another batch size.
    if (
        saved is not None
        and max_tokens in (saved.max_tokens, "auto")
        and effective == saved.effective_tokens
        and (effective or not n_given)
    ):
        if saved.n_batches % n_processes:
            subject = f"`{run.path}`: an update has {saved.n_batches} batches"
            raise _uneven(subject, n_processes, "start a new run with --output")
        return saved
    # The recipe gives the number of batches, or each process has one.
    if effective is None:
        n_batches = n_given or n_processes
        if n_batches % n_processes:
            subject = f"training.accumulate_batches is {n_batches}"
            raise _uneven(subject, n_processes, "set batches.effective_tokens instead")
        return BatchSize(recipe.batches.limit, n_batches, None)
    # The recipe gives the size of a batch and of an update.
    if max_tokens != "auto":
        n_batches = round_up(max(1, round(effective / max_tokens)), n_processes)
        update = describe_update(max_tokens, n_batches, n_processes)
        logger.info("batches of up to %s positions; %s", f"{max_tokens:,}", update)
        return BatchSize(max_tokens, n_batches, effective)
    # The recipe asks for another update size than the run has, which is reported as an error when
    # the two are compared.
    if saved is not None:
        n_batches = round_up(max(1, round(effective / saved.max_tokens)), n_processes)
        return BatchSize(saved.max_tokens, n_batches, effective)
    from mtkit.training.sizing.batch_size_search import measure_batch_size

    measured = measure_batch_size(recipe, TrainingData.open(recipe), device, parallel)
    return BatchSize(*measured, effective)


def _uneven(subject: str, n_processes: int, alternative: str) -> MtkitError:
    return MtkitError(
        f"{subject}, which {n_processes} processes cannot share evenly",
        f"use a number of processes that divides it, or {alternative}",
    )

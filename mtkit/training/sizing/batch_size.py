"""How large the batches are, and how many make an update."""

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
from mtkit.training.sizing.batch_size_search import describe_update, measure_batch_size, round_up

logger = get_logger(__name__)

_MANY_TOKENS = 1 << 16


class BatchSize(NamedTuple):
    """The numbers of a run."""

    max_tokens: int
    """Of a batch, in padded positions."""
    n_batches: int
    """That make an update, over all processes."""
    effective_tokens: int | None
    """What the recipe wanted of an update."""


def with_batch_size(
    recipe: Recipe, run: RunDir, device: torch.device, parallel: Parallel
) -> Recipe:
    """The recipe with numbers for batches.max_tokens and training.accumulate_batches.

    A run that is resumed keeps those it began with, on whichever device and with however many processes it goes on, as long as the recipe does not
    ask for others.

    Args:
        recipe: As the user wrote it; its token store is there.
        run: Where the run is, or will be.
        device: On which it is measured what fits.
        parallel: The processes that share an update.
    Raises:
        MtkitError: The batches of an update cannot be shared out evenly, or not one of the longest sentences fits into memory.
    """
    # Process 0 alone may see the run.
    told = json.loads(
        parallel.broadcast_text(json.dumps(saved_batch_size(run) if parallel.is_main else None))
    )
    size = _decide(recipe, run, None if told is None else BatchSize(*told), device, parallel)
    batches = recipe.batches.model_copy(update={"max_tokens": size.max_tokens})
    training = recipe.training.model_copy(update={"accumulate_batches": size.n_batches})
    return recipe.model_copy(update={"batches": batches, "training": training})


def n_activation_values(recipe: Recipe) -> int:
    """Return how many values an activation of the model's width has in the largest batch; as for a large batch while its size is to be measured."""
    max_tokens = recipe.batches.max_tokens
    return recipe.model.d_model * (_MANY_TOKENS if max_tokens == "auto" else max_tokens)


def saved_batch_size(run: RunDir) -> BatchSize | None:
    """The numbers of a run that has checkpoints; None of a run that has yet to begin."""
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
        # What is wrong with it is told when the runs are compared.
        return None


def _decide(
    recipe: Recipe, run: RunDir, kept: BatchSize | None, device: torch.device, parallel: Parallel
) -> BatchSize:
    max_tokens, effective, n_given = (
        recipe.batches.max_tokens,
        recipe.batches.effective_tokens,
        recipe.training.accumulate_batches,
    )
    n_processes = parallel.world_size
    if (
        kept is not None
        and max_tokens in (kept.max_tokens, "auto")
        and effective == kept.effective_tokens
        and (effective or not n_given)
    ):
        if kept.n_batches % n_processes:
            raise _uneven(
                f"`{run.path}`: an update is of {kept.n_batches} batches there",
                n_processes,
                "start a new run with --out",
            )
        return kept
    if effective is None:
        n_batches = n_given or n_processes
        if n_batches % n_processes:
            raise _uneven(
                f"training.accumulate_batches is {n_batches}",
                n_processes,
                "give batches.effective_tokens in its place",
            )
        return BatchSize(recipe.batches.limit, n_batches, None)
    if max_tokens != "auto":
        n_batches = round_up(max(1, round(effective / max_tokens)), n_processes)
        logger.info(
            "batches of up to %s positions; %s",
            f"{max_tokens:,}",
            describe_update(max_tokens, n_batches, n_processes),
        )
        return BatchSize(max_tokens, n_batches, effective)
    if kept is not None:
        # The recipe has changed in something else, so that this run cannot go on, which is told when the two are compared.
        return BatchSize(
            kept.max_tokens,
            round_up(max(1, round(effective / kept.max_tokens)), n_processes),
            effective,
        )
    return BatchSize(
        *measure_batch_size(recipe, TrainingData.open(recipe), device, parallel), effective
    )


def _uneven(what: str, n_processes: int, else_do: str) -> MtkitError:
    return MtkitError(
        f"{what}, which {n_processes} processes cannot share evenly",
        f"take a number of processes that divides it, or {else_do}",
    )

"""How large the batches are, and how many make an update."""

import torch

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.recipe import Recipe
from mtkit.errors import MtkitError
from mtkit.training.parallel import Parallel


def with_batch_size(recipe: Recipe, run: RunDir, device: torch.device, parallel: Parallel) -> Recipe:
    """The recipe with numbers for batches.max_tokens and training.accumulate_batches.

    Args:
        recipe: As the user wrote it.
        run: A run that is resumed keeps its numbers.
        device: On which it is measured what fits.
        parallel: The processes that share an update.
    Raises:
        MtkitError: The batches of an update cannot be shared out evenly.
    """
    n_batches = recipe.training.accumulate_batches or parallel.world_size
    if recipe.batches.effective_tokens is not None:
        n_batches = max(1, round(recipe.batches.effective_tokens / recipe.batches.limit))
    if n_batches % parallel.world_size:
        raise MtkitError(
            f"training.accumulate_batches ({n_batches}) is not a multiple of the {parallel.world_size} processes",
            f"set it to a multiple of {parallel.world_size}, or give batches.effective_tokens",
        )
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"accumulate_batches": n_batches})})

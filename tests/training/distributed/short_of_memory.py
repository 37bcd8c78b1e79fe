"""Two processes, of which the second runs out of memory, and which measure together how large
batches may be.
"""

import torch

from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.training.objective import Objective
from mtkit.training.setup import TrainingData
from mtkit.training.sizing.batch_size_search import measure_batch_size
from mtkit.training.step import Stepper
from tests.training.cramped import Cramped, make_batch, make_model


def train_short_of_memory(recipe_path, parallel, device):
    """What came of it in one of the processes. The token store of the recipe is there."""
    recipe = Recipe.load(recipe_path, ["batches.max_tokens=auto", "batches.effective_tokens=3000"])
    fitted = measure_batch_size(recipe, TrainingData.open(recipe), device, parallel)
    model, config = make_model(), TrainingConfig(max_grad_norm=0.0)
    objective = Objective(model, config)
    if parallel.rank == 1:
        objective = Cramped(
            model,
            config,
            max_pairs=4,
            where="forward",
            error=torch.OutOfMemoryError("CUDA out of memory"),
        )
    stepper = Stepper(
        objective, torch.optim.SGD(model.parameters(), lr=1.0), config, torch.float32, parallel
    )
    batches = [make_batch(8, seed) for seed in range(4)]
    n_tokens = sum(batch.n_tokens for batch in batches)
    # Twice, because the first update is when DDP arranges its buckets.
    norms = [
        float(stepper.step(batches[parallel.rank :: 2], number, 0.1, n_tokens).grad_norm)
        for number in (1, 2)
    ]
    weights = [float(parameter.detach().double().sum()) for parameter in model.parameters()]
    return {"fitted": fitted, "norms": norms, "weights": weights}

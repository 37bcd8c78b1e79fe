"""Settings that have no effect, or an unintended one, because the run ends too early."""

import math
from collections.abc import Iterator

from mtkit.config.recipe import Recipe


def ineffective_settings(recipe: Recipe) -> Iterator[str]:
    """Yield a sentence for each setting that training.max_steps makes ineffective, with advice.

    Args:
        recipe: The recipe; its `training.max_steps` is the number of updates of the whole run.
    """
    training, validation, end = recipe.training, recipe.validation, recipe.training.max_steps
    end_text = f"the end of the run (training.max_steps {end:,})"
    if training.warmup_steps >= end:
        highest = (
            training.learning_rate * min(end, training.warmup_steps - 1) / training.warmup_steps
        )
        yield (
            f"training.warmup_steps ({training.warmup_steps:,}) is not before {end_text}: "
            f"the learning rate only rises to {highest:.2g} and never reaches "
            f"training.learning_rate ({training.learning_rate:g}); "
            f"set warmup_steps to {_one_fifth(end):,}, for example"
        )
    if recipe.data.validation and validation.every_steps > end:
        yield (
            f"validation.every_steps ({validation.every_steps:,}) is beyond {end_text}: "
            "the only validation follows the last update; "
            f"set every_steps to {_one_fifth(end):,}, for example"
        )
    elif (
        recipe.data.validation
        and validation.patience
        and (validation.patience + 1) * validation.every_steps >= end
    ):
        yield (
            f"validation.patience ({validation.patience}) cannot stop the run early: "
            f"with validation.every_steps ({validation.every_steps:,}), the first possible stop is "
            f"after update {(validation.patience + 1) * validation.every_steps:,}, "
            f"which is not before {end_text}"
        )
    if training.average_last > (n_checkpoints := _n_checkpoints(recipe)):
        yield (
            f"training.average_last ({training.average_last}) is more than the number of "
            f"checkpoints ({n_checkpoints}) until {end_text}: only these are averaged; "
            f"lower training.save_every_steps ({training.save_every_steps:,}) to get more"
        )


def _one_fifth(n_steps: int) -> int:
    return max(1, n_steps // 5)


def _n_checkpoints(recipe: Recipe) -> int:
    """Return the number of regular checkpoints of a run: at both intervals, and at its end."""
    end, intervals = recipe.training.max_steps, [recipe.training.save_every_steps]
    if recipe.data.validation:
        intervals.append(recipe.validation.every_steps)
    n = sum(end // interval for interval in intervals)
    n -= end // math.lcm(*intervals) if len(intervals) > 1 else 0
    return n + all(end % interval for interval in intervals)

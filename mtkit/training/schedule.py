"""How the learning rate changes over the steps."""

import math

from mtkit.config.training import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The learning rate of an update.

    It rises linearly to `config.learning_rate` at the end of the warmup. With inverse_sqrt it then falls as 1 / sqrt(step); with the peak
    d_model^-0.5 * warmup^-0.5 that is the schedule of Vaswani et al. 2017, section 5.3. With linear and cosine it would
    reach zero at the update after `max_steps`, so that no update is without effect.

    Args:
        step: Number of the update, the first being 1.
    """
    warmup = config.warmup_steps
    if step < warmup:
        return config.learning_rate * step / warmup
    if config.schedule == "inverse_sqrt":
        return config.learning_rate * math.sqrt(max(warmup, 1) / max(step, 1))
    if config.schedule == "constant":
        return config.learning_rate
    end = config.max_steps + 1
    share_left = min(1.0, max(0.0, (end - step) / max(end - warmup, 1)))
    if config.schedule == "linear":
        return config.learning_rate * share_left
    return config.learning_rate * 0.5 * (1.0 - math.cos(math.pi * share_left))

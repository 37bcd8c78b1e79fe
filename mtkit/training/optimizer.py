"""The optimizer, Adam or AdamW, and its learning-rate schedule."""

import inspect
import math

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from mtkit.config.training import TrainingConfig


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """Return Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019).

    Weight decay applies to matrices only, not to norms, biases and other vectors.
    """
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer_class = _without_compiler(Adam if config.optimizer == "adam" else AdamW)
    return optimizer_class(
        groups, lr=config.learning_rate, betas=config.adam_betas, eps=config.adam_eps, fused=True
    )


def _without_compiler(optimizer_class: type[Adam]) -> type[Adam]:
    """Return the class with methods that do not import torch's compiler, which takes seconds.

    torch wraps them to hide them from torch.compile, which is never applied to them here.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(optimizer_class, name)) for name in names}
    methods["step"] = torch.no_grad()(inspect.unwrap(optimizer_class.step))
    return type(optimizer_class.__name__, (optimizer_class,), methods)


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of an update.

    It rises linearly to `config.learning_rate` at the end of the warmup. With inverse_sqrt it then
    falls as 1 / sqrt(step); with the peak d_model^-0.5 * warmup^-0.5 that is the schedule of
    Vaswani et al. 2017, section 5.3. With linear and cosine it would reach zero at the update
    after `max_steps`, so that every update has an effect.

    Args:
        step: Number of the update, from 1.
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

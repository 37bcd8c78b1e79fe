"""One optimizer update."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from mtkit.batches.collate import Batch
from mtkit.config.training import TrainingConfig
from mtkit.errors import MtkitError
from mtkit.model.placement import autocast
from mtkit.model.transformer import Transformer
from mtkit.training.loss import Loss, label_smoothed_loss
from mtkit.training.randomness import seed_everything


class StepResult(NamedTuple):
    """What one update did."""

    loss: float
    """Label-smoothed loss per target token, in nats."""
    nll: float
    """Negative log-likelihood per target token, in nats."""
    grad_norm: float
    """Norm of the gradient before clipping."""
    n_tokens: int
    """Target tokens of the update."""


def batch_loss(model: Transformer, batch: Batch, smoothing: float) -> Loss:
    """The loss of a batch, summed over its target tokens; padding costs nothing from the output layer on."""
    states_BTD = model(batch.src, batch.tgt_in)
    is_token_BT = batch.tgt_out != model.tgt_pad_id
    if states_BTD.device.type == "cpu" and batch.n_tokens == batch.tgt_out.numel():
        states_ND, targets_N = states_BTD.flatten(0, 1), batch.tgt_out.flatten()
    else:
        states_ND, targets_N = states_BTD[is_token_BT], batch.tgt_out[is_token_BT]
    return label_smoothed_loss(states_ND, model.output_weight, targets_N, smoothing)


class Stepper:
    """Makes optimizer updates.

    Args:
        model: In training mode.
        optimizer: Over its parameters.
        config: Smoothing, clipping, seed.
        dtype: Of the matrix products.
    """

    def __init__(self, model: Transformer, optimizer: torch.optim.Optimizer, config: TrainingConfig, dtype: torch.dtype) -> None:
        self.model, self.optimizer, self.config, self.dtype = model, optimizer, config, dtype
        self.device = model.output_weight.device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)

    def step(self, batches: Sequence[Batch], number: int, rate: float) -> StepResult:
        """Update the weights once.

        The gradients of all batches are summed and divided by all their target tokens: the same as of one large batch.

        Args:
            batches: On the model's device.
            number: Of the update, from 1; with the seed it fixes the dropout.
            rate: Learning rate.
        Raises:
            MtkitError: The gradient is not finite; the weights are left as they are.
        """
        n_tokens = sum(batch.n_tokens for batch in batches)
        totals: list[torch.Tensor] = []
        nlls: list[torch.Tensor] = []
        for micro_step, batch in enumerate(batches):
            seed_everything(self.config.seed, number, micro_step)
            with autocast(self.dtype, self.device):
                loss = batch_loss(self.model, batch, self.config.label_smoothing)
            self.scaler.scale(loss.total / n_tokens).backward()
            totals.append(loss.total.detach())
            nlls.append(loss.nll)
        self.scaler.unscale_(self.optimizer)
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        max_norm = self.config.max_grad_norm or float("inf")
        grad_norm = nn.utils.clip_grad_norm_(parameters, max_norm)
        if not self.scaler.is_enabled() and not grad_norm.isfinite():
            raise MtkitError(
                f"training has diverged: the gradient of step {number:,} is not finite",
                "lower training.learning_rate or raise training.warmup_steps; the checkpoints before are kept",
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(float(sum(totals)) / n_tokens, float(sum(nlls)) / n_tokens, float(grad_norm), n_tokens)

"""What training minimises: from a batch to the sums of its losses."""

import torch
from torch import nn

from mtkit.batches.collate import Batch
from mtkit.config.training import TrainingConfig
from mtkit.model.transformer import Transformer
from mtkit.training.loss import Loss, label_smoothed_loss


def batch_loss(model: Transformer, batch: Batch, smoothing: float) -> Loss:
    """The loss of a batch, summed over its target tokens; padding costs nothing from the output layer on."""
    # Validation goes past a compiled forward pass, which was made for training.
    states_BTD = model(batch.src, batch.tgt_in) if model.training else model.forward(batch.src, batch.tgt_in)
    states_ND, targets_N = states_BTD.flatten(0, 1), batch.tgt_out.flatten()
    if batch.n_tokens < len(targets_N):
        places_N = batch.places if batch.places is not None else (targets_N != model.tgt_pad_id).nonzero().flatten()
        states_ND, targets_N = states_ND.index_select(0, places_N), targets_N.index_select(0, places_N)
    return label_smoothed_loss(states_ND, model.output_weight, targets_N, smoothing)


class Objective(nn.Module):
    """A model together with what is minimised, as one module: this is what runs in parallel, and what a step calls.

    Args:
        model: In training mode.
        config: The parts of the loss and their weights.
    """

    def __init__(self, model: Transformer, config: TrainingConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, batch: Batch) -> Loss:
        """The loss of a batch, summed over its target tokens."""
        return batch_loss(self.model, batch, self.config.label_smoothing)


def is_finite(*values: torch.Tensor) -> torch.Tensor:
    """Whether all of these scalars are finite numbers, without asking the device for them. Scalar."""
    return torch.stack([value.float() for value in values]).isfinite().all()

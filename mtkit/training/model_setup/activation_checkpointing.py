"""Activation checkpointing: less memory for more computation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mtkit.model.transformer import Transformer


def checkpoint_activations(model: Transformer) -> None:
    """Make the layers of a model keep only their inputs for the backward pass, in place.

    Inner activations are computed again in the backward pass (Chen et al. 2016, arXiv:1604.06174),
    with the same dropout masks, so that gradients are the same.
    """
    for layer in (*model.encoder_layers, *model.decoder_layers):
        layer.forward = _CheckpointedForward(layer, layer.forward)


class _CheckpointedForward:
    """The forward pass of a layer; a class, so that a copy of the model has its own copies."""

    def __init__(self, layer: nn.Module, forward: Callable[..., Any]) -> None:
        self.layer, self.inner = layer, forward

    def __call__(self, *args, **kwargs) -> Any:
        if not (self.layer.training and torch.is_grad_enabled()):
            return self.inner(*args, **kwargs)
        return checkpoint(self.inner, *args, use_reentrant=False, **kwargs)

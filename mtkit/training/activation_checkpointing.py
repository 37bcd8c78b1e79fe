"""Less memory for more work: the inner values of layers are computed a second time in the backward pass instead of being kept."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mtkit.model.transformer import Transformer


def checkpoint_activations(model: Transformer) -> None:
    """Let a model's layers keep their inputs alone for the backward pass, in place (Chen et al. 2016, arXiv:1604.06174).

    The second time dropout draws what it drew the first time, so that gradients are the same.
    """
    for layer in (*model.encoder_layers, *model.decoder_layers):
        layer.forward = _CheckpointedForward(layer, layer.forward)


class _CheckpointedForward:
    """The forward pass of a layer; a class, so that a copy of the model has copies of its own."""

    def __init__(self, layer: nn.Module, forward: Callable[..., Any]) -> None:
        self.layer, self.inner = layer, forward

    def __call__(self, *args, **kwargs) -> Any:
        if not (self.layer.training and torch.is_grad_enabled()):
            return self.inner(*args, **kwargs)
        return checkpoint(self.inner, *args, use_reentrant=False, **kwargs)

"""Initial weights."""

import math

from torch import nn

from mtkit.model.attention import CrossAttention, SelfAttention


def init_weights(layers: nn.ModuleList, depth_scaled: bool) -> None:
    """Give a stack of layers its initial weights: matrices Xavier-uniform (Glorot and Bengio 2010), biases zero.

    A fused matrix is drawn part by part, as if its parts were apart.

    Args:
        layers: Encoder or decoder layers, the lowest first.
        depth_scaled: Divide the bound of layer l (from 1) by sqrt(l) (Zhang et al. 2019, arXiv:1908.11365).
    """
    for number, layer in enumerate(layers, start=1):
        gain = 1.0 / math.sqrt(number) if depth_scaled else 1.0
        for module in layer.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
                for part in module.weight.split(min(module.weight.shape), dim=0) if _is_fused(layer, module) else (module.weight,):
                    nn.init.xavier_uniform_(part, gain=gain)


def _is_fused(layer: nn.Module, linear: nn.Linear) -> bool:
    return any(
        (isinstance(module, SelfAttention) and module.query_key_value is linear)
        or (isinstance(module, CrossAttention) and module.key_value is linear)
        for module in layer.modules()
    )

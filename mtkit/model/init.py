"""Initial weights."""

import math

from torch import nn

from mtkit.model.attention import FusedLinear


def init_weights(layers: nn.ModuleList, depth_scaled: bool) -> None:
    """Initialize the matrices Xavier-uniform (Glorot and Bengio 2010) and the biases with zeros.

    The parts of a fused matrix are drawn one by one, as if they were separate matrices.

    Args:
        layers: Encoder or decoder layers, the lowest first.
        depth_scaled: Divide the bound of layer l (from 1) by sqrt(l) (Zhang et al. 2019,
            arXiv:1908.11365).
    """
    for number, layer in enumerate(layers, start=1):
        gain = 1.0 / math.sqrt(number) if depth_scaled else 1.0
        for module in layer.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
                n_parts = module.n_parts if isinstance(module, FusedLinear) else 1
                for part in module.weight.chunk(n_parts):
                    nn.init.xavier_uniform_(part, gain=gain)

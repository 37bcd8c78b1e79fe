"""Exponential moving average of the weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mtkit.training.distributed.parallel import copy_full, is_sharded


class EmaWeights:
    """Exponential moving average of a model's weights, on the model's device.

    Polyak and Juditsky 1992; used in the code of Vaswani et al. 2017. In the first updates the
    decay is (1 + step) / (10 + step), so that the initial weights are soon forgotten.

    Args:
        model: Model whose weights are averaged; the average starts from them.
        decay: Weight of the previous average in each update.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(model.named_parameters())
        self.weights = {
            name: parameter.detach().clone() for name, parameter in self.parameters.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = [_local_shard(tensor) for tensor in self.weights.values()]
        parameters = [_local_shard(tensor) for tensor in self.parameters.values()]
        get_ema_multi_avg_fn(decay)(averages, parameters, None)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the average, for example by that of a checkpoint."""
        copy_full(self.weights, weights)


def _local_shard(tensor: Tensor) -> Tensor:
    return tensor.to_local() if is_sharded(tensor) else tensor

"""Weights that are validated and become the model in place of those in training: averages over time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mtkit.training.distributed.parallel import copy_full


class EmaWeights:
    """An exponential moving average of a model's weights, on the model's device (Polyak and Juditsky 1992; as in Vaswani et al.'s own code).

    In the first updates the decay is lower, (1 + step) / (10 + step), so that the initial weights are soon forgotten.

    Args:
        model: Whose weights are averaged; the average starts from them.
        decay: Share of the average that stays at each update.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(model.named_parameters())
        self.weights = {
            name: parameter.detach().clone() for name, parameter in self.parameters.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, parameters = (
            [_local_shard(tensor) for tensor in tensors.values()]
            for tensors in (self.weights, self.parameters)
        )
        get_ema_multi_avg_fn(decay)(averages, parameters, None)

    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Take over averages, as a checkpoint has them."""
        copy_full(self.weights, averages)


def _local_shard(tensor: Tensor) -> Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@contextmanager
def swapped_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Within this context the model has these weights in place of its own."""
    own = {}
    try:
        for name, parameter in model.named_parameters():
            own[name] = parameter.data
            parameter.data = weights[name].to(parameter.data)
        yield
    finally:
        for name, parameter in model.named_parameters():
            if name in own:
                parameter.data = own[name]

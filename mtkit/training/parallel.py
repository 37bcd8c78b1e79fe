"""The processes that train one model together."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from mtkit.model.transformer import Transformer


class Parallel:
    """One process alone."""

    rank = 0
    """Number of this process, from 0."""
    world_size = 1
    """How many processes there are."""
    optimizes_shards = False
    """Whether each process holds a part of every parameter only."""

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def gradient_factor(self) -> float:
        """What a loss is multiplied by before the backward pass, because gradients are averaged over the processes."""
        return float(self.world_size)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The same module, whose backward pass adds up the gradients of all processes."""
        return objective

    def syncs_gradients(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        """A context for forward and backward of one batch; only that of an update's last one waits for the other processes."""
        return nullcontext()

    def clip_gradients(self, model: Transformer, max_norm: float) -> Tensor:
        """Scale the gradients down to this norm, if it is larger. Returns the norm before; a scalar on the device, equal on all processes."""
        return nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], max_norm)

    def sum(self, values: Tensor) -> Tensor:
        """Add up a tensor over all processes, in place."""
        return values

    def sum_ints(self, values: Sequence[int]) -> list[int]:
        """Add up numbers over all processes, without a word to the device."""
        return list(values)

    def from_main(self, values: Sequence[float]) -> list[float]:
        """What process 0 has here."""
        return list(values)

    def wait(self) -> None:
        """Until all processes are here."""


def gather_weights(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter once, whole; all processes call this together."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def gather_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state, whole, as kind/parameter; all processes call this together."""
    return {
        f"{kind}/{name}": tensor
        for name, parameter in model.named_parameters()
        for kind, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    }


def put_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put whole weights in place, on whichever devices the parameters are."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])


def put_moments(model: nn.Module, optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    """Put the optimizer's whole state in place; what it had is forgotten."""
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for key, moment in moments.items():
        kind, name = key.split("/", 1)
        if name in parameters:
            optimizer.state[parameters[name]][kind] = moment.to(parameters[name].device)

"""The processes that train one model together, as training sees them; and its tensors, which may lie in parts in all of them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from mtkit.model.transformer import Transformer

TensorFiles = Mapping[str, Mapping[str, Tensor]]
"""Named tensors by the name of their file."""


class Parallel:
    """One process alone. For several see `mtkit.training.distributed.process_group`; all of them call each of these methods, in the same order."""

    rank = 0
    """Number of this process, from 0."""
    world_size = 1
    """How many processes there are."""
    is_sharded = False
    """Whether each process holds a part of every parameter only."""

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    @property
    def gradient_factor(self) -> float:
        """What a loss is multiplied by before the backward pass, because gradients are averaged over the processes."""
        return float(self.world_size)

    def shard(self, objective: nn.Module) -> None:
        """Divide the parameters among the processes, in place, if that is their way; before there is an optimizer."""

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The same module, whose backward pass adds up the gradients of all processes."""
        return objective

    def full_model(self, model: Transformer) -> Transformer:
        """On process 0, a model that can be used without the others: this one, or one without weights, for `swapped_weights`."""
        return model

    def gradient_sync(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        """A context for forward and backward of one batch; only that of an update's last one waits for the other processes."""
        return nullcontext()

    def clip_gradients(self, model: Transformer, max_norm: float) -> Tensor:
        """Scale the gradients down to this norm, if it is larger. Returns the norm before; a scalar on the device, equal on all processes."""
        return full_tensor(
            nn.utils.clip_grad_norm_(
                [p for p in model.parameters() if p.grad is not None], max_norm
            )
        )

    def all_reduce(self, values: Tensor) -> Tensor:
        """Add up a tensor over all processes, in place."""
        return values

    def sum_ints(self, values: Sequence[int]) -> list[int]:
        """Add up numbers over all processes, without a word to the device."""
        return list(values)

    def min_int(self, value: int) -> int:
        """The smallest of what the processes have here."""
        values = [0] * self.world_size
        values[self.rank] = value
        return min(self.sum_ints(values))

    def broadcast(self, values: Sequence[float]) -> list[float]:
        """What process 0 has here; as many everywhere."""
        return list(values)

    def broadcast_text(self, text: str) -> str:
        """What process 0 has here."""
        return text

    def broadcast_files(self, files: TensorFiles) -> TensorFiles:
        """What process 0 has here, on the CPU."""
        return files

    def barrier(self) -> None:
        """Until all processes are here."""


def full_tensor(tensor: Tensor) -> Tensor:
    """The tensor of which this may be a part; all processes call this together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather_full(tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Named tensors, whole; all processes call this together.

    Returns:
        On process 0 all of them. On others, what is divided comes back empty, so that memory for all of it is needed on one process only.
    """
    gathered = {}
    for name, tensor in tensors.items() if isinstance(tensors, Mapping) else tensors:
        gathered[name] = tensor.detach()
        if isinstance(tensor, DTensor):
            # Away from the device at once: the whole may not fit there.
            on_cpu = full_tensor(tensor.detach()).cpu()
            gathered[name] = on_cpu if tensor.device_mesh.get_rank() == 0 else on_cpu.new_empty(0)
    return gathered


def copy_full(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy whole tensors to where they belong, on whichever devices and in whichever parts that is."""
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(_like(target, tensors[name]))


def gather_weights(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter once, see `gather`."""
    return gather_full(model.named_parameters())


def gather_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as kind/parameter, see `gather`."""
    return gather_full(
        (f"{kind}/{name}", tensor)
        for name, parameter in model.named_parameters()
        for kind, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put whole weights in place, see `put`."""
    copy_full(dict(model.named_parameters()), weights)


def load_optimizer_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]
) -> None:
    """Put the optimizer's whole state in place; what it had is forgotten."""
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for key, moment in moments.items():
        kind, name = key.split("/", 1)
        if name in parameters:
            optimizer.state[parameters[name]][kind] = _like(parameters[name], moment)


def _like(target: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor on the target's device; divided as the target is, unless it is another thing, such as a number."""
    tensor = tensor.to(target.device)
    if isinstance(target, DTensor) and tensor.shape == target.shape:
        # Every process has the whole, so nothing need be sent.
        return distribute_tensor(tensor, target.device_mesh, target.placements, src_data_rank=None)
    return tensor

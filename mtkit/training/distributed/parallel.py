"""Communication between the processes that train a model, and access to its sharded tensors."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from mtkit.model.transformer import Transformer

if TYPE_CHECKING:
    import torch.distributed.tensor

TensorFiles = Mapping[str, Mapping[str, Tensor]]
"""Named tensors by the name of their file."""


class Parallel:
    """A single process.

    For several processes see `mtkit.training.distributed.process_group`; all of them call each
    method, in the same order.
    """

    rank = 0
    """Number of this process, from 0."""
    world_size = 1
    """Number of processes."""
    is_sharded = False
    """Whether each process holds only a shard of every parameter."""

    @property
    def is_main(self) -> bool:
        """Whether this process, of rank 0, writes files and logs."""
        return self.rank == 0

    def shard(self, objective: nn.Module) -> None:
        """Shard the parameters in place, if this kind of parallelism does; before the optimizer."""

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Return a module whose backward pass sums the gradients of all processes."""
        return objective

    def full_model(self, model: Transformer) -> Transformer:
        """Return, on process 0, a model that can be used without the other processes.

        That is this one, or one without weights, for `swapped_weights`.
        """
        return model

    def gradient_sync(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        """Return a context for forward and backward pass of one batch of an update.

        Only the passes of the last batch communicate gradients.
        """
        return nullcontext()

    def clip_gradients(self, model: Transformer, max_norm: float) -> Tensor:
        """Clip the gradients to a norm, in place.

        Returns:
            The norm before clipping; a scalar on the device, equal on all processes.
        """
        parameters = [p for p in model.parameters() if p.grad is not None]
        return full_tensor(nn.utils.clip_grad_norm_(parameters, max_norm))

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        return values

    def sum_ints(self, values: Sequence[int]) -> list[int]:
        """Sum numbers over all processes, without using the device."""
        return list(values)

    def min_int(self, value: int) -> int:
        """Return the minimum over all processes."""
        values = [0] * self.world_size
        values[self.rank] = value
        return min(self.sum_ints(values))

    def broadcast(self, values: Sequence[float]) -> list[float]:
        """Return the values of process 0; the same number in all processes."""
        return list(values)

    def broadcast_text(self, text: str) -> str:
        """Return the text of process 0."""
        return text

    def broadcast_files(self, files: TensorFiles) -> TensorFiles:
        """Return the tensors of process 0, on the CPU."""
        return files

    def barrier(self) -> None:
        """Wait for all processes."""


def is_sharded(tensor: Tensor) -> TypeGuard["torch.distributed.tensor.DTensor"]:
    """Return whether each process holds a shard of a tensor.

    Does not import `DTensor`, since that takes two seconds and only sharded training needs it.
    """
    return hasattr(tensor, "full_tensor")


def full_tensor(tensor: Tensor) -> Tensor:
    """Return the tensor of which this may be a shard; all processes call this together."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def gather_full(
    tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]],
) -> dict[str, Tensor]:
    """Gather named tensors from their shards; all processes call this together.

    Returns:
        All tensors on process 0. On others, sharded ones are empty, so that only one process needs
        memory for all of them.
    """
    gathered = {}
    for name, tensor in tensors.items() if isinstance(tensors, Mapping) else tensors:
        gathered[name] = tensor.detach()
        if is_sharded(tensor):
            # Moved from the device at once: all tensors may not fit there.
            on_cpu = full_tensor(tensor.detach()).cpu()
            gathered[name] = on_cpu if tensor.device_mesh.get_rank() == 0 else on_cpu.new_empty(0)
    return gathered


def copy_full(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy full tensors into targets on any device, sharded or not."""
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(_like(target, tensors[name]))


def gather_weights(model: nn.Module) -> dict[str, Tensor]:
    """Gather the parameters of a model, tied ones once; see `gather_full`."""
    return gather_full(model.named_parameters())


def gather_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Gather the optimizer's state as kind/parameter; see `gather_full`."""
    return gather_full(
        (f"{kind}/{name}", tensor)
        for name, parameter in model.named_parameters()
        for kind, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load full weights into a model; see `copy_full`."""
    copy_full(dict(model.named_parameters()), weights)


def load_optimizer_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Replace the optimizer's state by full tensors of `gather_optimizer_state`."""
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for key, tensor in state.items():
        kind, name = key.split("/", 1)
        if name in parameters:
            optimizer.state[parameters[name]][kind] = _like(parameters[name], tensor)


def _like(target: Tensor, tensor: Tensor) -> Tensor:
    """Return a full tensor on the target's device, sharded like the target if shapes are equal."""
    tensor = tensor.to(target.device)
    if is_sharded(target) and tensor.shape == target.shape:
        from torch.distributed.tensor import distribute_tensor

        # Every process has the full tensor, so nothing is sent.
        return distribute_tensor(tensor, target.device_mesh, target.placements, src_data_rank=None)
    return tensor

"""Several processes that train one model together: how they find each other, agree, and share the work.

They are started by `mtkit train --nproc` (see `mtkit.training.distributed.launch`) or by torchrun, which tell each its number through the environment.
"""

import copy
import inspect
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from mtkit.config.recipe import Recipe
from mtkit.engines.precision import choose_training_dtype
from mtkit.errors import MtkitError
from mtkit.model.device import choose_device, own_device
from mtkit.model.transformer import Transformer
from mtkit.training.distributed.launch import end_with_parent
from mtkit.training.distributed.parallel import Parallel, TensorFiles
from mtkit.training.distributed.rank_errors import report_from_one_rank
from mtkit.workers.dist_env import DistEnv
from mtkit.workers.process_pool import n_cores

_CONTROL_TIMEOUT = timedelta(days=7)
"""How long one process may validate, save or preprocess while the others wait. One that dies is noticed by its connection, not by this."""
_DEVICE_TIMEOUT = timedelta(minutes=30)
"""How long one may be busy with a batch, or with compiling, while the others wait with their gradients."""


@contextmanager
def join_processes(recipe: Recipe, device: str) -> Iterator[tuple[Parallel, torch.device]]:
    """Take part in a training of as many processes as the environment tells of; alone, if it tells of none.

    On a CPU, cores are shared out between the processes of a machine; of GPUs each takes its own.

    Args:
        recipe: Says how the work is shared.
        device: cpu, cuda or auto; cuda:N alone.
    Yields:
        The processes, and the device of this one.
    Raises:
        MtkitError: A process has no GPU of its own, or settings do not go together.
        PeerLost: Another process went away.
    """
    env = DistEnv.from_environment()
    if env.world_size < 2:
        yield Parallel(), choose_device(device)
        return
    end_with_parent()
    with report_from_one_rank():
        chosen = own_device(device, env.local_rank, env.local_world_size)
        kind = _kind(recipe, chosen)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
            dist.init_process_group("nccl", timeout=_DEVICE_TIMEOUT, device_id=chosen)
        else:
            _limit_threads(env)
            dist.init_process_group("gloo", timeout=_DEVICE_TIMEOUT)
        parallel = kind(chosen)
        yield parallel, chosen
        parallel.barrier()
        # After an error the others may never answer: what is left of the group ends with the process.
        dist.destroy_process_group()


class MultiProcess(Parallel):
    """What several processes have in common: messages by way of the CPU, so that no device is waited for, and sums on the device.

    Args:
        device: Of this process.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self._control: Any = dist.new_group(backend="gloo", timeout=_CONTROL_TIMEOUT)

    def all_reduce(self, values: Tensor) -> Tensor:
        dist.all_reduce(values)
        return values

    def sum_ints(self, values: Sequence[int]) -> list[int]:
        numbers = torch.tensor(values, dtype=torch.int64)
        dist.all_reduce(numbers, group=self._control)
        return numbers.tolist()

    def broadcast(self, values: Sequence[float]) -> list[float]:
        return self._broadcast(torch.tensor(values, dtype=torch.float64)).tolist()

    def broadcast_text(self, text: str) -> str:
        data = text.encode()
        n_bytes = int(self._broadcast(torch.tensor(len(data))))
        content = (
            torch.tensor(list(data), dtype=torch.uint8)
            if self.is_main
            else torch.empty(n_bytes, dtype=torch.uint8)
        )
        return bytes(self._broadcast(content).tolist()).decode()

    def broadcast_files(self, files: TensorFiles) -> TensorFiles:
        about = {
            file: {
                name: (str(t.dtype).removeprefix("torch."), list(t.shape))
                for name, t in tensors.items()
            }
            for file, tensors in files.items()
        }
        about = json.loads(self.broadcast_text(json.dumps(about)))
        found: dict[str, dict[str, Tensor]] = {}
        for file, tensors in about.items():
            found[file] = {}
            for name, (dtype, shape) in tensors.items():
                tensor = (
                    files[file][name].cpu().contiguous()
                    if self.is_main
                    else torch.empty(shape, dtype=getattr(torch, dtype))
                )
                found[file][name] = self._broadcast(tensor)
        return found

    def barrier(self) -> None:
        self.sum_ints([0])

    def _broadcast(self, tensor: Tensor) -> Tensor:
        dist.broadcast(tensor, src=0, group=self._control)
        return tensor


class Replicated(MultiProcess):
    """Each process holds the whole model; gradients are averaged while the backward pass makes them (Li et al. 2020, arXiv:2006.15704)."""

    def wrap(self, objective: nn.Module) -> nn.Module:
        if getattr(objective.model, "_compiled_call_impl", None) is not None:
            # One graph, as for one process; cut at the buckets of gradients, symbols for lengths would have to cross from one to the next.
            torch._dynamo.config.optimize_ddp = False
        # torch 2.13 has given this option another name.
        options = inspect.signature(DistributedDataParallel).parameters
        syncs_buffers = (
            "forward_sync_buffers" if "forward_sync_buffers" in options else "broadcast_buffers"
        )
        changes: dict[str, Any] = {syncs_buffers: False}
        return DistributedDataParallel(objective, gradient_as_bucket_view=True, **changes)

    def gradient_sync(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        assert isinstance(objective, DistributedDataParallel)
        return nullcontext() if is_last else objective.no_sync()


class Sharded(MultiProcess):
    """Each process holds a part of all weights, gradients and moments, and gets a layer's weights for the time it needs them (FSDP; Zhao et al. 2023,
    arXiv:2304.11277)."""

    is_sharded = True
    _whole: Transformer | None = None

    def shard(self, objective: nn.Module) -> None:
        model: Any = objective.model
        if self.is_main:
            hollow = {
                id(p): nn.Parameter(torch.empty(0, dtype=p.dtype, device=p.device), p.requires_grad)
                for p in model.parameters()
            }
            self._whole = copy.deepcopy(model, hollow)
        mesh = init_device_mesh(self.device.type, (self.world_size,))
        for layer in (*model.encoder_layers, *model.decoder_layers):
            fully_shard(layer, mesh=mesh)
        # The loss uses the output layer's weights outside of the model, so the objective is the root, which has them whole meanwhile.
        fully_shard(objective, mesh=mesh)

    def full_model(self, model: Transformer) -> Transformer:
        return model if self._whole is None else self._whole

    def gradient_sync(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        assert isinstance(objective, FSDPModule)
        objective.set_requires_gradient_sync(is_last)
        return nullcontext()


def _kind(recipe: Recipe, device: torch.device) -> type[MultiProcess]:
    if recipe.training.parallel == "ddp":
        return Replicated
    if choose_training_dtype(recipe.training.precision, device) == torch.float16:
        raise MtkitError(
            "training.parallel fsdp does not go together with fp16",
            "take bf16 or float32, or training.parallel ddp",
        )
    return Sharded


def _limit_threads(env: DistEnv) -> None:
    # One is what torchrun sets where the user has set nothing.
    if os.environ.get("OMP_NUM_THREADS", "1") == "1":
        torch.set_num_threads(max(1, n_cores() // env.local_world_size))

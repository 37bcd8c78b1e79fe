"""Process groups: several processes that train one model together.

They are started by `mtkit train --nproc` (see `mtkit.training.distributed.launch`) or by torchrun,
which set the rank of each in its environment.
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
from mtkit.engines.devices import own_device
from mtkit.engines.precision import choose_training_dtype
from mtkit.engines.torch_devices import TorchDevices
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer
from mtkit.training.distributed.launch import end_with_parent
from mtkit.training.distributed.parallel import Parallel, TensorFiles
from mtkit.training.distributed.rank_errors import report_from_one_rank
from mtkit.workers.cpu_info import n_cores
from mtkit.workers.dist_env import DistEnv

_CONTROL_TIMEOUT = timedelta(days=7)
"""Maximum time that one process validates, saves or preprocesses while the others wait.

The end of a process is detected by its connection, not by this timeout.
"""
_DEVICE_TIMEOUT = timedelta(minutes=30)
"""Maximum time for a batch, or for compilation, while the others wait with their gradients."""


@contextmanager
def join_processes(recipe: Recipe, device: str) -> Iterator[tuple[Parallel, torch.device]]:
    """Join the process group that the environment describes.

    On a CPU, the processes of a machine share its cores; each GPU serves one process.

    Args:
        recipe: The recipe; determines the kind of parallelism.
        device: cpu, cuda or auto.
    Yields:
        The process group, and the device of this process.
    Raises:
        MtkitError: There are fewer GPUs than processes, or settings are incompatible.
        PeerLost: Another process ended.
    """
    end_with_parent()
    env = DistEnv.from_environment()
    with report_from_one_rank():
        chosen = torch.device(
            own_device(TorchDevices(), device, env.local_rank, env.local_world_size)
        )
        kind = _kind(recipe, chosen)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
            dist.init_process_group("nccl", timeout=_DEVICE_TIMEOUT, device_id=chosen)
        else:
            _limit_threads(env.local_world_size)
            dist.init_process_group("gloo", timeout=_DEVICE_TIMEOUT)
        parallel = kind(chosen)
        yield parallel, chosen
        parallel.barrier()
        # Not after an error, when the others may never answer: the group ends with the process.
        dist.destroy_process_group()


class MultiProcess(Parallel):
    """One of several processes.

    Messages are sent by the CPU, which does not synchronize devices; sums are computed on devices.

    Args:
        device: Device of this process.
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
        layout = {
            file: {
                name: (str(t.dtype).removeprefix("torch."), list(t.shape))
                for name, t in tensors.items()
            }
            for file, tensors in files.items()
        }
        layout = json.loads(self.broadcast_text(json.dumps(layout)))
        received: dict[str, dict[str, Tensor]] = {}
        for file, tensors in layout.items():
            received[file] = {}
            for name, (dtype, shape) in tensors.items():
                tensor = (
                    files[file][name].cpu().contiguous()
                    if self.is_main
                    else torch.empty(shape, dtype=getattr(torch, dtype))
                )
                received[file][name] = self._broadcast(tensor)
        return received

    def barrier(self) -> None:
        self.sum_ints([0])

    def _broadcast(self, tensor: Tensor) -> Tensor:
        dist.broadcast(tensor, src=0, group=self._control)
        return tensor


class Replicated(MultiProcess):
    """Each process holds the whole model (DDP; Li et al. 2020, arXiv:2006.15704).

    Gradients are averaged while the backward pass computes them.
    """

    def wrap(self, objective: nn.Module) -> nn.Module:
        if getattr(objective.model, "_compiled_call_impl", None) is not None:
            # One graph, as for one process: split at gradient buckets, symbolic lengths would have
            # to be passed from one graph to the next.
            torch._dynamo.config.optimize_ddp = False
        # torch 2.13 renamed this option.
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
    """Each process holds a shard of all weights, gradients and moments.

    The weights of a layer are gathered for the time of their use (FSDP; Zhao et al. 2023,
    arXiv:2304.11277).
    """

    is_sharded = True
    _full_model: Transformer | None = None

    def shard(self, objective: nn.Module) -> None:
        model: Any = objective.model
        if self.is_main:
            without_weights = {
                id(p): nn.Parameter(torch.empty(0, dtype=p.dtype, device=p.device), p.requires_grad)
                for p in model.parameters()
            }
            self._full_model = copy.deepcopy(model, without_weights)
        mesh = init_device_mesh(self.device.type, (self.world_size,))
        for layer in (*model.encoder_layers, *model.decoder_layers):
            fully_shard(layer, mesh=mesh)
        # The loss uses the output layer outside of the model, so the objective is the root module,
        # whose own weights stay gathered.
        fully_shard(objective, mesh=mesh)

    def full_model(self, model: Transformer) -> Transformer:
        return model if self._full_model is None else self._full_model

    def gradient_sync(self, objective: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        assert isinstance(objective, FSDPModule)
        objective.set_requires_gradient_sync(is_last)
        return nullcontext()


def _kind(recipe: Recipe, device: torch.device) -> type[MultiProcess]:
    if recipe.training.parallel == "ddp":
        return Replicated
    if choose_training_dtype(recipe.training.precision, device) == torch.float16:
        raise MtkitError(
            "training.parallel: fsdp does not support fp16",
            "use bf16 or float32, or training.parallel: ddp",
        )
    return Sharded


def _limit_threads(n_local: int) -> None:
    # torchrun sets 1 if the user has not set it.
    if os.environ.get("OMP_NUM_THREADS", "1") == "1":
        torch.set_num_threads(max(1, n_cores() // n_local))

"""How many processes translate, each with how many threads, or on which GPU."""

from dataclasses import dataclass

import torch

from mtkit.errors import MtkitError
from mtkit.model.device import choose_device, own_device
from mtkit.workers.dist_env import DistEnv
from mtkit.workers.process_pool import n_cores

MIN_LINES_OF_A_GPU = 4_000
"""Fewer lines are translated before a process for another GPU has started."""


@dataclass(frozen=True)
class DeviceLayout:
    """Who translates."""

    devices: tuple[str, ...]
    """Of each process."""
    n_processes: int
    """Besides this one, which then hands out lines and writes; 0 if this one translates itself."""
    n_threads: int
    """Of each process on a CPU."""
    n_workers: int
    """Batches at a time in each process on a CPU."""

    def __str__(self) -> str:
        if not self.devices[0].startswith("cpu"):
            return (
                f"{self.n_processes} processes, one on each GPU"
                if self.n_processes > 1
                else "one process"
            )
        workers = "one worker" if self.n_workers == 1 else f"{self.n_workers} workers"
        return (
            f"{self.n_processes} processes of {workers} each" if self.n_processes > 1 else workers
        )


def choose_layout(
    device: str,
    n_processes: int | None,
    n_workers: int | None,
    n_lines: int | None,
    rank: DistEnv = DistEnv(),
) -> DeviceLayout:
    """Choose who translates.

    On a CPU it is this process, with a thread for each core: processes were no faster on two cores, and each needs a model of its own. Of several
    GPUs each gets a process.

    Args:
        device: cpu, cuda, cuda:N or auto.
        n_processes: What the user asks for; None chooses.
        n_workers: Likewise, in each process.
        n_lines: How many there are; None if that is not known.
        rank: Which of several processes this is already.
    Raises:
        MtkitError: There is no such device, or not one for each process.
    """
    if rank.world_size > 1:
        if n_processes is not None and n_processes > 1:
            raise MtkitError(
                f"{n_processes} processes in each of {rank.world_size} ranks",
                "start more ranks, or give no --processes",
            )
        chosen = own_device(device, rank.local_rank, rank.local_world_size)
        n_threads = torch.get_num_threads()
        # One is what torchrun sets where the user has set nothing.
        return _alone(
            chosen,
            max(1, n_cores() // rank.local_world_size)
            if n_threads == 1 < rank.local_world_size
            else n_threads,
            n_workers,
        )
    chosen = choose_device(device)
    if chosen.type != "cuda":
        n_threads = torch.get_num_threads()
        if n_processes is None or n_processes < 2:
            return _alone(chosen, n_threads, n_workers)
        share = max(1, n_threads // n_processes)
        return DeviceLayout((str(chosen),) * n_processes, n_processes, share, n_workers or share)
    if n_processes is None:
        n_gpus = torch.cuda.device_count() if chosen.index is None or device == "auto" else 1
        n_processes = n_gpus if n_lines is None or n_lines >= MIN_LINES_OF_A_GPU * n_gpus else 1
    if n_processes < 2:
        return _alone(chosen, 1, 1)
    devices = tuple(str(own_device(device, number, n_processes)) for number in range(n_processes))
    return DeviceLayout(devices, n_processes, 1, 1)


def _alone(device: torch.device, n_threads: int, n_workers: int | None) -> DeviceLayout:
    return DeviceLayout((str(device),), 0, n_threads, n_workers or n_threads)

"""Number of processes that translate, and the threads or the GPU of each."""

from dataclasses import dataclass

from mtkit.engines.choose import EngineName, devices_of
from mtkit.engines.devices import own_device
from mtkit.errors import MtkitError
from mtkit.workers.cpu_info import n_cores
from mtkit.workers.dist_env import DistEnv

MIN_LINES_OF_A_GPU = 4_000
"""With fewer lines per GPU, one process finishes before the others have started."""


@dataclass(frozen=True)
class DeviceLayout:
    """Processes that translate, and their devices."""

    devices: tuple[str, ...]
    """Device of each process."""
    n_processes: int
    """Processes in addition to this one, which then distributes lines and writes; 0 if this one
    translates.
    """
    n_threads: int
    """Threads of each process on a CPU."""
    n_workers: int
    """Batches translated at the same time in each process on a CPU."""

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
    engine: EngineName = "torch",
) -> DeviceLayout:
    """Choose the processes that translate.

    On a CPU this process translates, with a thread for each core: on two cores several processes
    were no faster, and each needs its own copy of the model. Each of several GPUs gets a process.

    Args:
        device: cpu, cuda, cuda:N or auto.
        n_processes: Number of processes requested; None chooses.
        n_workers: Batches at the same time in each process; None chooses.
        n_lines: Number of lines; None if unknown.
        rank: DistEnv of this process among several that share the file.
        engine: Program that runs the models.
    Raises:
        MtkitError: The device is not available, or not for each process.
    """
    devices = devices_of(engine)
    if rank.world_size > 1:
        if n_processes is not None and n_processes > 1:
            raise MtkitError(
                f"{n_processes} processes in each of {rank.world_size} ranks",
                "start more ranks, or give no --processes",
            )
        chosen = own_device(devices, device, rank.local_rank, rank.local_world_size)
        n_threads = devices.n_threads()
        # torchrun sets one thread if the user has set nothing.
        return _alone(
            chosen,
            max(1, n_cores() // rank.local_world_size)
            if n_threads == 1 < rank.local_world_size
            else n_threads,
            n_workers,
        )
    chosen = devices.choose(device)
    if not chosen.startswith("cuda"):
        n_threads = devices.n_threads()
        if n_processes is None or n_processes < 2:
            return _alone(chosen, n_threads, n_workers)
        share = max(1, n_threads // n_processes)
        return DeviceLayout((chosen,) * n_processes, n_processes, share, n_workers or share)
    if n_processes is None:
        n_gpus = devices.n_gpus() if chosen == "cuda" else 1
        n_processes = n_gpus if n_lines is None or n_lines >= MIN_LINES_OF_A_GPU * n_gpus else 1
    if n_processes < 2:
        return _alone(chosen, 1, 1)
    names = tuple(own_device(devices, device, number, n_processes) for number in range(n_processes))
    return DeviceLayout(names, n_processes, 1, 1)


def _alone(device: str, n_threads: int, n_workers: int | None) -> DeviceLayout:
    return DeviceLayout((device,), 0, n_threads, n_workers or n_threads)

"""Devices by name, such as cpu or cuda:1, as the program that computes on them finds them."""

from typing import Protocol

from mtkit.config.section import SearchPrecision
from mtkit.errors import MtkitError


class Devices(Protocol):
    """Devices of this machine."""

    def choose(self, device: str) -> str:
        """Return the name of an available device; auto is the first GPU, else the CPU.

        Raises:
            MtkitError: The device is not available.
        """
        ...

    def n_gpus(self) -> int:
        """Return the number of GPUs."""
        ...

    def n_threads(self) -> int:
        """Return the number of threads of this process on a CPU."""
        ...

    def use(self, device: str, n_threads: int) -> None:
        """Make a device that of this process; on a CPU, set its number of threads."""
        ...

    def precision_name(self, precision: SearchPrecision, device: str) -> SearchPrecision:
        """Return the name of a precision, with auto resolved where the device determines it."""
        ...

    def describe_placement(self, precision: SearchPrecision, device: str) -> str:
        """Describe precision and device, as in `float32 on the CPU`."""
        ...


def own_device(devices: Devices, device: str, number: int, n_local: int) -> str:
    """Return the device of one of several processes on a machine; each uses a GPU of its own.

    Args:
        devices: The devices of this machine.
        device: cpu, cuda or auto.
        number: Index of the process on this machine, from 0.
        n_local: Number of processes on this machine.
    Raises:
        MtkitError: The device is not available, it is one GPU, or there are fewer GPUs than
            processes.
    """
    kind, _, index = (chosen := devices.choose(device)).partition(":")
    if kind != "cuda" or (n_local < 2 and index):
        return chosen
    if index:
        raise MtkitError(
            f"{device} is one GPU, and several processes need one each",
            "choose cuda, and name the GPUs with CUDA_VISIBLE_DEVICES",
        )
    n_gpus = devices.n_gpus()
    if number >= n_gpus:
        raise MtkitError(
            f"{n_local} processes on this machine, and {n_gpus} GPUs",
            f"start {n_gpus}, or choose --device cpu",
        )
    return f"cuda:{number}"

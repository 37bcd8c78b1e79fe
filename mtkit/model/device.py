"""Choosing the device of a model."""

import torch

from mtkit.errors import MtkitError


def choose_device(device: str) -> torch.device:
    """Return the device of a name such as cpu or cuda:1; auto is the first GPU, else the CPU.

    Raises:
        MtkitError: The device is not available.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise MtkitError(
            f"device {device} is not available",
            "choose cpu, cuda or cuda:N, or auto",
        ) from None
    if chosen.type == "cuda":
        # cuDNN plans for a tenth of a second for each new shape of attention, and there are many.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return chosen


def own_device(device: str, number: int, n_local: int) -> torch.device:
    """Return the device of one of several processes on a machine; each uses a GPU of its own.

    Args:
        device: cpu, cuda or auto.
        number: Index of the process on this machine, from 0.
        n_local: Number of processes on this machine.
    Raises:
        MtkitError: The device is not available, it is one GPU, or there are fewer GPUs than
            processes.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda" or (n_local < 2 and chosen.index is not None):
        return chosen
    if chosen.index is not None:
        raise MtkitError(
            f"{device} is one GPU, and several processes need one each",
            "choose cuda, and name the GPUs with CUDA_VISIBLE_DEVICES",
        )
    n_gpus = torch.cuda.device_count()
    if number >= n_gpus:
        raise MtkitError(
            f"{n_local} processes on this machine, and {n_gpus} GPUs",
            f"start {n_gpus}, or choose --device cpu",
        )
    return torch.device("cuda", number)


def describe_device(device: torch.device) -> str:
    """Return `the CPU`, or the name of a GPU."""
    return "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)

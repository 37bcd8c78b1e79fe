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
        is_supported = chosen.type in ("cpu", "cuda")
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        is_supported = False
    if not is_supported:
        raise MtkitError(f"device {device} is not available", "choose cpu, cuda or cuda:N, or auto")
    if chosen.type == "cuda":
        # cuDNN plans for a tenth of a second for each new shape of attention, and there are many.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return chosen


def describe_device(device: torch.device) -> str:
    """Return `the CPU`, or the name of a GPU."""
    return "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)

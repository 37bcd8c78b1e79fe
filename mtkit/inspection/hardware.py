"""Hardware of this machine."""

import os

import torch

from mtkit.config.auto.statistics import Machine
from mtkit.model.device import choose_device
from mtkit.workers.cpu_info import cpu_has_bf16, n_cores


def detect_machine(device: str = "auto") -> Machine:
    """Detect cores, memory and GPUs.

    Args:
        device: Device that would train: cpu, cuda, cuda:N or auto.
    Raises:
        MtkitError: There is no such device.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return Machine(n_cores(), _memory_gb(), has_bf16=cpu_has_bf16())
    properties = torch.cuda.get_device_properties(chosen)
    return Machine(
        n_cores(),
        _memory_gb(),
        gpu=properties.name,
        gpu_memory_gb=properties.total_memory / 2**30,
        n_gpus=torch.cuda.device_count(),
        has_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
    )


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # not available on every system
        return 0.0

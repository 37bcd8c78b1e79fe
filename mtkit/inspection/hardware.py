"""Hardware of this machine."""

import torch

from mtkit.config.auto.statistics import Machine
from mtkit.model.device import choose_device
from mtkit.workers.cpu_info import cpu_has_bf16, memory_gb, n_cores


def detect_machine(device: str = "auto") -> Machine:
    """Detect cores, memory and GPUs.

    Args:
        device: Device that would train: cpu, cuda, cuda:N or auto.
    Raises:
        MtkitError: There is no such device.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return Machine(n_cores(), memory_gb(), has_bf16=cpu_has_bf16())
    properties = torch.cuda.get_device_properties(chosen)
    return Machine(
        n_cores(),
        memory_gb(),
        gpu=properties.name,
        gpu_memory_gb=properties.total_memory / 2**30,
        n_gpus=torch.cuda.device_count(),
        has_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
    )

"""What this machine has to train with."""

import os
from pathlib import Path

import torch

from mtkit.config.facts import Machine
from mtkit.model.placement import choose_device

_CPU_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""Names that Linux has for bf16 arithmetic, on x86 and on Arm."""


def this_machine(device: str = "auto") -> Machine:
    """Look at the machine.

    Args:
        device: cpu, cuda, cuda:N, or auto: what training would take.
    Raises:
        MtkitError: There is no such device.
    """
    chosen = choose_device(device)
    n_cores, memory_gb = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, _memory_gb()
    if chosen.type != "cuda":
        return Machine(n_cores, memory_gb, has_bf16=_cpu_has_bf16())
    properties = torch.cuda.get_device_properties(chosen)
    return Machine(
        n_cores,
        memory_gb,
        gpu=properties.name,
        gpu_memory_gb=properties.total_memory / 2**30,
        n_gpus=torch.cuda.device_count(),
        has_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
    )


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # not every system tells
        return 0.0


def _cpu_has_bf16() -> bool:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(flag in _CPU_FLAGS for line in lines if line.startswith(("flags", "Features")) for flag in line.split())

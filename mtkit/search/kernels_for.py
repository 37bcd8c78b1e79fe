"""Where the kernels are, if there are any."""

from functools import cache
from types import ModuleType

import torch


@cache
def kernels_for(device: torch.device) -> ModuleType | None:
    """`mtkit.search.kernels` on a GPU with Triton; None elsewhere, where operations of torch do the same."""
    if device.type != "cuda":
        return None
    try:
        from mtkit.search import kernels
    except ImportError:
        return None
    return kernels

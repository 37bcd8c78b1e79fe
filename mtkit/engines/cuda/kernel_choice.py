"""The choice between Triton kernels and PyTorch operations."""

from functools import cache
from types import ModuleType

import torch

from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_MAX_SELECTED = 16
"""Kernels that select more at a time take many seconds to compile."""


def kernels_for(device: torch.device, n_selected: int) -> ModuleType | None:
    """Return `mtkit.engines.cuda.kernels` if it can be used; None means PyTorch operations.

    Args:
        device: Device of the tensors.
        n_selected: Number of values that a kernel has to select from each row.
    """
    return _kernels() if device.type == "cuda" and n_selected <= _MAX_SELECTED else None


@cache
def _kernels() -> ModuleType | None:
    try:
        from mtkit.engines.cuda import kernels
    except ImportError:
        logger.warning(
            "Triton is not installed, so search on the GPU is slower: pip install triton"
        )
        return None
    return kernels

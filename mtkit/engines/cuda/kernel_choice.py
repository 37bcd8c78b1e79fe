"""The choice between Triton kernels and PyTorch operations."""

from functools import cache
from types import ModuleType

import torch

from mtkit.engines.compilers import missing_compiler
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
    if n_selected > _MAX_SELECTED or not can_use_triton(device):
        return None
    from mtkit.engines.cuda import kernels

    return kernels


@cache
def can_use_triton(device: torch.device) -> bool:
    """Return whether Triton kernels can run on a device; on a GPU without them, log why."""
    if device.type != "cuda":
        return False
    if missing := missing_compiler(device):
        logger.warning(
            "training and search on the GPU are slower, because Triton needs %s", missing
        )
    return not missing

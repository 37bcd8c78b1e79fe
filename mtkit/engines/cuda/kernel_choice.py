"""Where the kernels are, if there are any."""

from functools import cache
from types import ModuleType

import torch

from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_MOST = 16
"""Kernels that choose more at a time take many seconds to compile."""


def kernels_for(device: torch.device, n_chosen: int) -> ModuleType | None:
    """`mtkit.engines.cuda.kernels` on a GPU with Triton, for choosing that many; None elsewhere, where operations of torch do the same."""
    return _kernels() if device.type == "cuda" and n_chosen <= _MOST else None


@cache
def _kernels() -> ModuleType | None:
    try:
        from mtkit.engines.cuda import kernels
    except ImportError:
        logger.warning(
            "Triton is not installed, so that the search on a GPU takes slower operations of torch: pip install triton"
        )
        return None
    return kernels

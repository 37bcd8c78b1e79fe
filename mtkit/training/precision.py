"""The number format of matrix products."""

from contextlib import AbstractContextManager, nullcontext

import torch

from mtkit.config.training import Precision
from mtkit.errors import MtkitError

_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """What `training.precision` means on a device; auto is bf16 on a GPU that has it, float32 elsewhere.

    Raises:
        MtkitError: fp16 is asked for without a GPU.
    """
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    if precision == "fp16" and device.type != "cuda":
        raise MtkitError(f"training.precision is fp16, but the device is {device.type}", "use bf16 or float32, or a GPU")
    return _DTYPES[precision]


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """A context in which matrix products are made in `dtype`; weights and sums stay float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)

"""Precision of a model's matrix products."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import get_args

import torch

from mtkit.config.section import Precision, SearchPrecision
from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.device import describe_device
from mtkit.workers.cpu_info import cpu_flags, cpu_has_bf16, cpu_has_int8

logger = get_logger(__name__)

_DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def choose_dtype(precision: SearchPrecision, device: torch.device) -> torch.dtype:
    """Return the dtype of a precision on a device.

    auto is bf16 on a GPU that supports it, float32 elsewhere. With int8, everything but the
    products is float32.

    Raises:
        MtkitError: The precision is unknown, or the device does not support it.
    """
    if precision not in get_args(SearchPrecision):
        raise MtkitError(
            f"unknown precision {precision}",
            f"choose one of {', '.join(get_args(SearchPrecision))}",
        )
    if precision == "int8":
        from mtkit.engines.cpu.packed_linear import can_quantize

        if device.type != "cpu" or not can_quantize():
            raise MtkitError(
                "int8 needs a CPU and a build of PyTorch that supports it",
                "choose another precision, or --device cpu",
            )
        _warn_of_slow_cpu("int8")
        return torch.float32
    if precision == "auto":
        return (
            torch.bfloat16
            if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float32
        )
    if precision == "fp16" and device.type != "cuda":
        raise MtkitError(f"fp16 needs a GPU, not the device {device.type}", "use bf16 or float32")
    if precision == "bf16" and device.type == "cpu":
        _warn_of_slow_cpu("bf16")
    return _DTYPES[precision]


@cache
def _warn_of_slow_cpu(precision: SearchPrecision) -> None:
    """Log once that the processor lacks the instructions for a precision.

    If the system does not list its instructions, nothing is logged.
    """
    if cpu_flags() and precision == "bf16" and not cpu_has_bf16():
        logger.warning(
            "this processor lacks bf16 instructions (AVX512-BF16 or AMX): bf16 is emulated, many "
            "times slower than float32; precision auto would choose float32"
        )
    if cpu_flags() and precision == "int8" and not cpu_has_int8():
        logger.warning(
            "this processor lacks VNNI and AMX instructions, so int8 uses 7-bit inputs and is "
            "slower and less exact; this does not concern --compiled"
        )


def describe_placement(precision: SearchPrecision, device: torch.device) -> str:
    """Describe precision and device, as in `float32 on the CPU`."""
    return f"{precision_name(precision, device)} on {describe_device(device)}"


def precision_name(precision: SearchPrecision, device: torch.device) -> SearchPrecision:
    """Return the name of a precision, with auto resolved for the device."""
    if precision != "auto":
        return precision
    return next(name for name, dtype in _DTYPES.items() if dtype == choose_dtype(precision, device))


def choose_training_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of the products in training.

    As `choose_dtype`, but auto is bf16 also on a CPU with bf16 instructions. Control runs in
    float32 were no better (docs/experiments.md). There, translation stays in float32.

    Raises:
        MtkitError: fp16 without a GPU.
    """
    if precision == "auto" and device.type == "cpu" and cpu_has_bf16():
        return torch.bfloat16
    return choose_dtype(precision, device)


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes matrix products in `dtype`; weights and sums stay float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)

"""What this machine's processor can do in hardware, and how it is shared out."""

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}


@cache
def cpu_flags() -> frozenset[str]:
    """The names of its features, as far as Linux tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def cpu_has_bf16() -> bool:
    """Whether it multiplies bf16 numbers."""
    return not _BF16_FLAGS.isdisjoint(cpu_flags())


def cpu_has_int8() -> bool:
    """Whether it multiplies 8-bit integers and adds up in 32 bits at once."""
    return not _INT8_FLAGS.isdisjoint(cpu_flags())


def one_thread_for_numpy() -> AbstractContextManager[Any]:
    """As long as it is entered, each product of numpy's takes one thread, also in forks that are made meanwhile.

    Else a large one takes all cores, though every worker has one already; and it may add up in another order.
    """
    return _numpy_libraries().limit(limits=1)


@cache
def _numpy_libraries() -> Any:
    import numpy as np  # noqa: F401 - what is not loaded is not found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")

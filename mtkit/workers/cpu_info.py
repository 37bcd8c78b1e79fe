"""Cores, threads and memory, name and features of the processor, and the threads of numpy."""

import os
import platform
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def n_threads() -> int:
    """Return the number of threads that a program should use on a CPU.

    OMP_NUM_THREADS, or else one for each physical core that this process may use, as in torch.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(text) if text.isdecimal() and int(text) else _n_physical_cores()


def _n_physical_cores() -> int:
    """Return the number of cores, where hyperthreads of one core count once."""
    if not hasattr(os, "sched_getaffinity"):
        return n_cores()
    topology = Path("/sys/devices/system/cpu")
    try:
        return len(
            {
                (topology / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
                for cpu in os.sched_getaffinity(0)
            }
        )
    except OSError:  # not every system has it
        return n_cores()


def memory_gb() -> float:
    """Return the size of the memory in GB; 0 if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # not available on every system
        return 0.0


def processor_name() -> str:
    """Return the name of the processor, or its architecture if the system does not name it."""
    return _cpuinfo("model name").strip() or platform.machine()


@cache
def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags; an empty set if the system does not list them."""
    return frozenset(_cpuinfo("flags").split())


def _cpuinfo(key: str) -> str:
    """Return the first value of a key in /proc/cpuinfo; empty if there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = (line.partition(":")[2] for line in text.splitlines() if line.startswith(key))
    return next(found, "")


def cpu_has_bf16() -> bool:
    """Return whether the processor has instructions for bf16 products."""
    return not _BF16_FLAGS.isdisjoint(cpu_flags())


def cpu_has_int8() -> bool:
    """Return whether the processor multiplies 8-bit integers and sums in 32 bits at once."""
    return not _INT8_FLAGS.isdisjoint(cpu_flags())


def one_thread_for_numpy() -> AbstractContextManager[Any]:
    """Return a context in which each numpy product uses one thread, also in forks made meanwhile.

    Otherwise a large product uses all cores although every worker already has one, and it may sum
    in another order.
    """
    return _numpy_libraries().limit(limits=1)


@cache
def _numpy_libraries() -> Any:
    import numpy as np  # noqa: F401 - only loaded libraries are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")

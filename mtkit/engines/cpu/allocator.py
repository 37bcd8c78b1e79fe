"""Settings of the memory allocator and of oneDNN's cache of kernels."""

import contextlib
import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEEP_BYTES = 2**31 - 1
_MADV_HUGEPAGE = 14
_HUGE_PAGE_BYTES = 1 << 29
_MANY_VALUES = 1 << 20
"""4,096 positions of width 256."""
SEARCH_KERNELS = 32
"""Compiled kernels that a search keeps: as fast as with the default of 1,024
(docs/experiments.md)."""


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensor instead of returning it to the system.

    A step of training or search on a CPU frees and allocates the same large tensors repeatedly.
    Each return to the system costs a page fault per 4 KiB at the next use, a tenth of the step or
    more. Without glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        # No separate mappings, which are returned at once, and no trimming of the heap.
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    except (OSError, AttributeError):
        return


def bound_kernel_caches(n_kernels: int | None = SEARCH_KERNELS) -> None:
    """Limit the number of compiled kernels that are kept for the shapes of matrix products.

    Call before the first product of the process. oneDNN keeps a kernel for each shape, and nearly
    every batch has its own: 1,024 kernels take hundreds of megabytes, and as they are allocated
    between freed tensors, they fragment the heap by as much again. Torch also keeps descriptions of
    them, which save no work. Capacities set in the environment are respected
    (docs/experiments.md).

    Args:
        n_kernels: Number of kernels to keep; None is oneDNN's default.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", "1")
    if n_kernels is not None:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(n_kernels))


def training_kernels(n_values: int) -> int | None:
    """Return how many kernels training keeps; None is oneDNN's default.

    With large activations, compiling a kernel takes next to no time compared with using it, so
    those shared by the layers of one update are enough.

    Args:
        n_values: Values of the largest activations: positions of a batch times width.
    """
    return 32 if n_values >= _MANY_VALUES else None


def give_back_freed_memory() -> None:
    """Return freed memory to the system, after all. Without glibc this does nothing."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def use_huge_pages() -> None:
    """Use pages of 2 MiB for the heap of this process, for its next 512 MiB of growth.

    A search reads weights and caches from end to end at every step; with pages of 4 KiB the
    processor has to look up the address of each page. Unused pages take no memory. Without Linux
    and glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
            ctypes.c_void_p,
            [ctypes.c_size_t],
            [ctypes.c_void_p],
        )
        libc.free(libc.malloc(_HUGE_PAGE_BYTES))
        with open("/proc/self/maps", encoding="utf-8") as lines:
            heap = next((line for line in lines if line.rstrip().endswith("[heap]")), "")
        start, _, end = heap.partition(" ")[0].partition("-")
        if end:
            libc.madvise(
                ctypes.c_void_p(int(start, 16)),
                ctypes.c_size_t(int(end, 16) - int(start, 16)),
                _MADV_HUGEPAGE,
            )
    except (OSError, AttributeError, ValueError):
        return

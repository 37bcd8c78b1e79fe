"""How the C library hands out memory."""

import contextlib
import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEEP_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensor instead of giving it back to the system.

    A step of training or search on a CPU frees and allocates the same large tensors again and again; each return to the system costs a page
    fault for every 4 KiB at the next use, a tenth of the step and more. Elsewhere than on glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        # No separate mappings, which go back at once, and no trimming of the heap.
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    except (OSError, AttributeError):
        return


def keep_few_kernels() -> None:
    """Let torch and oneDNN remember fewer of the kernels that they make for each shape of a product; to be called before torch is imported.

    In bf16 on a CPU they remember some thousand of them, which came to 14 MB more for each new shape of a batch (docs/experiments.md). To make
    one anew takes little beside a step of training. Who has set these variables keeps them.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def give_back_freed_memory() -> None:
    """Give freed memory back to the system after all, where it is kept. Elsewhere than on glibc this does nothing."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)

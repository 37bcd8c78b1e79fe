"""Settings of torch's memory allocator on a GPU."""

import os
import sys

_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
"""Variables that torch reads. The first is that of all devices, which torch 2.11 and 2.13 read."""


def use_expandable_segments() -> None:
    """Let torch map GPU memory page by page, so that freed blocks of any size are used again.

    Batches have many shapes, and a block that one shape has freed may be too small for another;
    that memory would be lost. Call before the first use of a GPU. Settings in the environment are
    respected; torch supports it on Linux only.
    """
    if sys.platform.startswith("linux") and not any(name in os.environ for name in _VARIABLES):
        os.environ[_VARIABLES[0]] = "expandable_segments:True"

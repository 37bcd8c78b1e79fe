"""Devices that a test runs on: a GPU, and the CPU, which shows that the test itself is right."""

import warnings
from contextlib import contextmanager

import pytest
import torch

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
_cuda = pytest.param("cuda", marks=needs_gpu)
on_each_device = pytest.mark.parametrize("device", ["cpu", _cuda])
# What other tests show of the CPU in less time.
slow_on_cpu = pytest.mark.parametrize(
    "device", [pytest.param("cpu", marks=pytest.mark.slow), _cuda]
)


def on_gpu(*values):
    """Values of `parametrize` for a GPU only."""
    return pytest.param(*values, marks=needs_gpu)


@contextmanager
def no_synchronization(device):
    """Fail when Python waits for the GPU."""
    if torch.device(device).type == "cpu":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def gpu_memory_of(function):
    """Call a function; return the bytes that torch has reserved for it, and its result."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    result = function()
    return torch.cuda.max_memory_reserved() - before, result


@contextmanager
def little_gpu_memory(n_bytes):
    """Let torch reserve only n_bytes more."""
    torch.cuda.empty_cache()
    limit = torch.cuda.memory_reserved() + n_bytes
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()

"""The machine on which the benchmarks run, and the versions of the measured packages."""

import platform

import torch

from benchmarks.gpu.bundle import print_result
from mtkit.training.reporting.session import source_commit
from mtkit.workers.cpu_info import memory_gb, n_cores, processor_name


def main() -> None:
    """Print the result."""
    on_gpu = torch.cuda.is_available()
    print_result(
        "machine",
        torch.cuda.get_device_name(0) if on_gpu else processor_name(),
        cores=n_cores(),
        memory_gb=round(memory_gb()),
        gpu_memory_gb=round(torch.cuda.mem_get_info()[1] / 1e9) if on_gpu else 0,
        torch=torch.__version__,
        cuda=torch.version.cuda,
        python=platform.python_version(),
        commit=(source_commit() or "unknown")[:10],
    )


if __name__ == "__main__":
    main()

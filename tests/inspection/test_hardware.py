import os
import re
from pathlib import Path

import pytest
import torch

from mtkit.errors import MtkitError
from mtkit.inspection.hardware import detect_machine


def test_the_cpu_alone():
    machine = detect_machine("cpu")
    assert machine.n_cores == len(os.sched_getaffinity(0))
    assert (machine.gpu, machine.gpu_memory_gb, machine.n_gpus) == (None, 0.0, 0)
    assert str(machine).endswith("no GPU")


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux tells memory so")
def test_memory_is_that_of_the_system():
    kilobytes = re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())
    assert kilobytes
    assert detect_machine("cpu").memory_gb == pytest.approx(int(kilobytes[1]) / 2**20, rel=0.01)


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu"])
def test_a_device_that_is_missing_or_not_supported(device):
    # Torch has the device meta on every machine; a model there has no weights.
    with pytest.raises(MtkitError, match=f"{device} is not available"):
        detect_machine(device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu():
    machine = detect_machine("cuda")
    assert machine.gpu == torch.cuda.get_device_name(0)
    assert machine.gpu_memory_gb > 1
    assert torch.cuda.get_device_name(0) in str(machine)

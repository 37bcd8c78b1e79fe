"""How much memory there is, and how much something takes."""

import sys

import pytest
import torch

from mtkit.training.sizing.memory_probe import MemoryProbe, free_memory
from tests.devices import on_each_device

GB = 10**9
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def machine(tmp_path):
    """A machine with 16 GB, of which 10 are available."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    write(
        proc / "meminfo",
        f"MemTotal:       {16 * GB // 1024} kB\nMemFree:  1 kB\nMemAvailable:   {10 * GB // 1024} kB\n",
    )
    return proc, cgroups


def near(value):
    return pytest.approx(value, rel=1e-6)


def test_system_memory_without_limits(machine):
    assert free_memory(*machine) == near(10 * GB)
    write(machine[0] / "self" / "cgroup", "0::/\n")
    assert free_memory(*machine) == near(10 * GB)


def test_cgroup_v2_limit(machine):
    proc, cgroups = machine
    write(proc / "self" / "cgroup", "0::/jobs/mine\n")
    write(cgroups / "jobs" / "mine" / "memory.max", "max\n")
    write(cgroups / "jobs" / "mine" / "memory.current", f"{1 * GB}\n")
    assert free_memory(proc, cgroups) == near(10 * GB)
    # A limit of the group around it; half a gigabyte of its usage is page cache.
    write(cgroups / "jobs" / "memory.max", f"{4 * GB}\n")
    write(cgroups / "jobs" / "memory.current", f"{2 * GB}\n")
    write(cgroups / "jobs" / "memory.stat", f"anon 5\ninactive_file {GB // 2}\n")
    assert free_memory(proc, cgroups) == near(2.5 * GB)


def test_cgroup_v1_that_sees_itself_as_the_root(machine):
    proc, cgroups = machine
    write(proc / "self" / "cgroup", "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n")
    write(cgroups / "memory" / "memory.limit_in_bytes", f"{3 * GB}\n")
    write(cgroups / "memory" / "memory.usage_in_bytes", f"{1 * GB}\n")
    assert free_memory(proc, cgroups) == near(2 * GB)


def test_a_full_one_has_nothing_left(machine):
    proc, cgroups = machine
    write(proc / "self" / "cgroup", "0::/\n")
    write(cgroups / "memory.max", f"{GB}\n")
    write(cgroups / "memory.current", f"{GB + 5}\n")
    assert free_memory(proc, cgroups) == 0


def test_free_memory_is_unknown_on_other_systems(tmp_path):
    assert free_memory(tmp_path / "proc", tmp_path / "cgroup") is None


@needs_linux
def test_peak_is_remembered_until_a_new_start():
    meter = MemoryProbe(torch.device("cpu"))
    meter.start()
    before = meter.peak()
    tensor = torch.ones(30_000_000)
    del tensor
    peak = meter.peak()
    assert before is not None
    assert peak is not None
    assert peak - before == pytest.approx(120_000_000, rel=0.1)
    meter.start()
    again = meter.peak()
    assert again is not None
    assert again < before + 60_000_000
    usable = meter.usable()
    assert usable is not None
    assert usable > again


@on_each_device
def test_memory_that_cannot_be_used_again_counts_on_a_gpu(device, monkeypatch):
    """Reserved and free blocks, which another shape may not fit into, belong to the peak."""
    size = 64 << 20
    if device == "cpu":
        figures = {"max_memory_reserved": 3 * size, "max_memory_allocated": size}
        for name, value in figures.items():
            monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
        assert MemoryProbe(torch.device("cuda")).peak() == 3 * size
        return
    probe = MemoryProbe(torch.device(device))
    probe.start()
    for _ in range(2):
        torch.empty(size, dtype=torch.uint8, device=device)
    peak = probe.peak()
    assert peak is not None and peak == torch.cuda.max_memory_reserved(device) >= size

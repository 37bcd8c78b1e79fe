"""Available memory, and memory used by a computation."""

import re
from pathlib import Path

import torch

from mtkit.engines.cpu.allocator import give_back_freed_memory

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP_2 = ("memory.max", "memory.current", "inactive_file")
_CGROUP_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Files with the limit and the usage of a cgroup, and the name of its page cache."""


class MemoryProbe:
    """Measures memory: on a GPU, that of torch in this process; on a CPU, that of the process.

    On a GPU, what torch has reserved counts, free blocks that it could not use included.

    On a CPU, only Linux is supported; elsewhere nothing is known.

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def usable(self) -> int | None:
        """Return the bytes that this process holds or could still allocate; None if unknown."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] + torch.cuda.memory_reserved(self.device)
        free, held = free_memory(), _status("VmRSS")
        return None if free is None or held is None else free + held

    def start(self) -> None:
        """Free unused memory and reset the peak."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        give_back_freed_memory()
        try:
            (_PROC / "self" / "clear_refs").write_text("5")
        except OSError:
            return

    def peak(self) -> int | None:
        """Return the peak in bytes since `start`; None if unknown."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device)
        return _status("VmHWM")


def free_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int | None:
    """Return the bytes that this process can still allocate.

    That is the memory that the system reports as available, or less if a container has a limit.

    Args:
        proc: Directory with the statistics of the system.
        cgroups: Directory with the limits of containers, of either version.
    Returns:
        None on a system that does not report it.
    """
    available = _field(proc / "meminfo", "MemAvailable")
    if available is None:
        return None
    return max(0, min([available, *_left_in_cgroups(proc / "self" / "cgroup", cgroups)]))


def _left_in_cgroups(membership_path: Path, cgroups: Path) -> list[int]:
    """Return the bytes left in each cgroup of this process.

    Page cache counts as left, because the system reclaims it.
    """
    left = []
    for line in _text(membership_path).splitlines():
        _, controllers, group_path = line.split(":", 2)
        if controllers == "":
            root, (limit_name, usage_name, cache_name) = cgroups, _CGROUP_2
        elif "memory" in controllers.split(","):
            root, (limit_name, usage_name, cache_name) = cgroups / "memory", _CGROUP_1
        else:
            continue
        group = root / group_path.lstrip("/")
        parents = {parent for parent in group.parents if parent.is_relative_to(root)}
        # Limits of parent groups apply, too. Inside a container, its own group is the root.
        for directory in {root, group, *parents}:
            limit = _text(directory / limit_name).strip()
            usage = _text(directory / usage_name).strip()
            if limit.isdecimal() and usage.isdecimal():
                cache = _field(directory / "memory.stat", cache_name) or 0
                left.append(int(limit) - int(usage) + cache)
    return left


def _status(name: str) -> int | None:
    return _field(_PROC / "self" / "status", name)


def _field(path: Path, name: str) -> int | None:
    """Return a number, in bytes, from a file with a name and a number in each line."""
    match = re.search(rf"^{name}:?\s+(\d+)( kB)?$", _text(path), re.MULTILINE)
    return None if match is None else int(match[1]) * (1024 if match[2] else 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""

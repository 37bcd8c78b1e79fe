"""How much memory there is, and how much of it something takes."""

import re
from pathlib import Path

import torch

from mtkit.engines.cpu.allocator import give_back_freed_memory

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


class MemoryProbe:
    """Measures the memory of a device: on a GPU that of torch in this process, on a CPU that of the whole process.

    On a CPU this takes Linux; elsewhere nothing is known.

    Args:
        device: Whose memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def usable(self) -> int | None:
        """Bytes that this process may come to hold: those it holds and those that are free. None where that is not known."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] + torch.cuda.memory_reserved(self.device)
        free, held = free_memory(), _status("VmRSS")
        return None if free is None or held is None else free + held

    def start(self) -> None:
        """Give back what is not in use, and forget the peak so far."""
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
        """Most bytes that were held at any time since `start`. None where that is not known."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return _status("VmHWM")


def free_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int | None:
    """Bytes of the machine that this process may still take: what the system says is available, or less where a container has a limit.

    Args:
        proc: Where the system tells its figures.
        cgroups: Where it tells the limits of containers, of either version.
    Returns:
        None on a system that tells nothing of the kind.
    """
    available = _field(proc / "meminfo", "MemAvailable")
    if available is None:
        return None
    return max(0, min([available, *_left_in_cgroups(proc / "self" / "cgroup", cgroups)]))


def _left_in_cgroups(own: Path, cgroups: Path) -> list[int]:
    """What each group that this process belongs to has left. Page cache counts as left, because the system gives it up."""
    left = []
    for line in _text(own).splitlines():
        _, controllers, way = line.split(":", 2)
        if controllers == "":
            root, limit_name, usage_name, cache_name = (
                cgroups,
                "memory.max",
                "memory.current",
                "inactive_file",
            )
        elif "memory" in controllers.split(","):
            root, limit_name, usage_name, cache_name = (
                cgroups / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        folder = root / way.lstrip("/")
        # The limits of the groups around it hold too. Seen from inside a container, its own group is the root.
        for group in {
            root,
            folder,
            *(parent for parent in folder.parents if parent.is_relative_to(root)),
        }:
            limit, usage = _text(group / limit_name).strip(), _text(group / usage_name).strip()
            if limit.isdecimal() and usage.isdecimal():
                left.append(
                    int(limit) - int(usage) + (_field(group / "memory.stat", cache_name) or 0)
                )
    return left


def _status(name: str) -> int | None:
    return _field(_PROC / "self" / "status", name)


def _field(path: Path, name: str) -> int | None:
    """A figure of a file with a name and a number in each line, in bytes."""
    found = re.search(rf"^{name}:?\s+(\d+)( kB)?$", _text(path), re.MULTILINE)
    return None if found is None else int(found[1]) * (1024 if found[2] else 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""

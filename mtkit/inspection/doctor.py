"""Check of an installation: versions, devices, missing extras, and known causes of slowness."""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from mtkit.config.auto.statistics import Machine
from mtkit.engines.cpu.packed_linear import can_quantize
from mtkit.errors import MtkitError, first_line
from mtkit.inspection.hardware import detect_machine
from mtkit.io.logs import counted
from mtkit.version import __version__
from mtkit.workers.cpu_info import cpu_flags, cpu_has_bf16, cpu_has_int8, processor_name

_PACKAGES = (
    "torch",
    "sentencepiece",
    "sentencex",
    "sacrebleu",
    "safetensors",
    "numpy",
    "pydantic",
    "datasets",
)
_OUR_EXTRAS = {
    "zstd": "reading and writing .zst files",
    "ct2": "mtkit export ctranslate2, and running what it writes",
    "numba": "--compiled of the commands that translate",
    "tensorboard": "training.trackers: [tensorboard]",
    "wandb": "training.trackers: [wandb]",
    "hf": "mtkit export huggingface --verify",
    "plots": "figures of mtkit inspect, mtkit report, and mtkit runs --plot",
}
_SCORING_EXTRAS = {"ko": "evaluate --tokenize ko-mecab", "ja": "evaluate --tokenize ja-mecab"}
_EXTRA_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+).*\bextra\s*==\s*['"](?P<extra>[\w-]+)['"]""")
_MIN_DISK_GB = 5.0
_MIN_MEMORY_GB = 2.0


@dataclass(frozen=True)
class Extra:
    """Optional packages for one purpose."""

    name: str
    """Names of the packages."""
    purpose: str
    is_installed: bool
    install: str
    """Command that installs them."""


@dataclass(frozen=True)
class Disk:
    """Free space on the file system of a directory."""

    path: str
    free_gb: float


@dataclass(frozen=True)
class InstallationReport:
    """State of an installation."""

    versions: dict[str, str]
    """Versions of Python, mtkit and its packages; `not installed` for a missing one."""
    system: str
    processor: str
    machine: Machine
    n_threads: int
    """Threads of torch for one matrix product."""
    cpu_quota: float | None
    """Cores that the limit of a container allows; None without a limit."""
    bf16: str
    int8: str
    disks: list[Disk]
    extras: list[Extra]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def check_installation() -> InstallationReport:
    """Check the installation and the machine, without writing anything or using the network."""
    machine, problems = _machine()
    quota = _cpu_quota()
    disks = [
        Disk(str(path), shutil.disk_usage(path).free / 1e9)
        for path in dict.fromkeys((Path.cwd(), Path(tempfile.gettempdir())))
    ]
    return InstallationReport(
        versions={
            "python": platform.python_version(),
            "mtkit": __version__,
            **{name: _version(name) for name in _PACKAGES},
        },
        system=platform.platform(),
        processor=processor_name(),
        machine=machine,
        n_threads=torch.get_num_threads(),
        cpu_quota=quota,
        bf16=_bf16(machine),
        int8=_int8(),
        disks=disks,
        extras=[
            *(extra for extra in _extras("mtkit", _OUR_EXTRAS) if "[test]" not in extra.install),
            *(extra for extra in _extras("sacrebleu", _SCORING_EXTRAS) if extra.purpose),
        ],
        warnings=[*problems, *_slowness_warnings(machine, quota, disks)],
    )


def _machine() -> tuple[Machine, list[str]]:
    try:
        return detect_machine(), []
    except (MtkitError, RuntimeError) as exc:
        # For example, the driver is too old.
        return detect_machine("cpu"), [f"the GPU cannot be used: {first_line(exc)}"]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _bf16(machine: Machine) -> str:
    if machine.gpu is not None:
        return (
            "yes, on the GPU"
            if machine.has_bf16
            else "no: the GPU does not support it; float32 is used"
        )
    if cpu_has_bf16():
        return "yes, in hardware"
    return (
        "no: emulated, many times slower than float32"
        if cpu_flags()
        else "unknown: this system does not list the processor's instructions"
    )


def _int8() -> str:
    if not can_quantize():
        return "no: this build of torch does not support it"
    if cpu_has_int8():
        return "yes, in hardware (VNNI or AMX)"
    return (
        "yes, but slowly and with inputs of 7 bits: the processor has no VNNI or AMX"
        if cpu_flags()
        else "yes"
    )


def _extras(package: str, purposes: dict[str, str]) -> list[Extra]:
    """Return the extras of a package, as its metadata lists them.

    Args:
        package: Name of the package.
        purposes: Purpose of each extra in mtkit; these come first, in this order.
    """
    try:
        requirements = [
            match for text in requires(package) or () if (match := _EXTRA_REQUIREMENT.match(text))
        ]
    except PackageNotFoundError:
        requirements = []
    by_extra: dict[str, list[str]] = {name: [] for name in purposes}
    for match in requirements:
        by_extra.setdefault(match["extra"], []).append(match["name"])
    return [
        Extra(
            ", ".join(names),
            purposes.get(extra, ""),
            "not installed" not in map(_version, names),
            f"pip install '{package}[{extra}]'",
        )
        for extra, names in by_extra.items()
        if names
    ]


def _slowness_warnings(machine: Machine, quota: float | None, disks: list[Disk]) -> Iterator[str]:
    """Yield everything that makes training or translation slow or likely to fail."""
    if machine.gpu is None and (
        Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    ):
        reason = (
            "this build of torch is for CPUs only"
            if torch.version.cuda is None
            else "torch finds no usable CUDA device"
        )
        yield (
            f"there is an NVIDIA driver, but {reason}: install a CUDA build of torch, and check "
            "nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
    yield from _core_warnings(machine.n_cores, quota)
    if 0 < machine.memory_gb < _MIN_MEMORY_GB:
        yield (
            f"{machine.memory_gb:.1f} GB of memory: lower batches.max_tokens, and see "
            "docs/guides/large-corpora.md"
        )
    for disk in disks:
        if disk.free_gb < _MIN_DISK_GB:
            yield (
                f"`{disk.path}`: {disk.free_gb:.1f} GB free; token stores and checkpoints of large "
                "models need more"
            )
    if sys.flags.dev_mode or os.environ.get("CUDA_LAUNCH_BLOCKING") == "1":
        yield (
            "a debugging mode is on (PYTHONDEVMODE or CUDA_LAUNCH_BLOCKING), which makes "
            "everything slower"
        )


def _core_warnings(n_cores: int, quota: float | None) -> Iterator[str]:
    variable = next(
        (name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ), None
    )
    if variable and torch.get_num_threads() < n_cores:
        n_unused = n_cores - torch.get_num_threads()
        yield (
            f"{variable}={os.environ[variable]} leaves {n_unused} of {n_cores} cores unused: unset "
            "it, or give --threads to train"
        )
    if quota is not None and quota < n_cores:
        advice = f"more threads slow each other down: give --threads {max(1, int(quota))} to train"
        yield f"the container allows {quota:g} of {n_cores} cores; {advice}"
    if (load := _load()) > n_cores:
        yield (
            f"the machine is busy: load {load:.1f} on {counted(n_cores, 'cores')}; other programs "
            "slow training down"
        )


def _load() -> float:
    """Return the number of running and waiting processes, averaged over the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def _cpu_quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Return the CPU limit of a container (cgroup version 2) in cores; None without a limit."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None

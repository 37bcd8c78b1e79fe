"""sessions.jsonl: the program and the machine of each process that has trained a run."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import mtkit
from mtkit.checkpoint.run_dir import RunDir
from mtkit.training.distributed.parallel import Parallel
from mtkit.version import __version__
from mtkit.workers.cpu_info import memory_gb, n_cores, processor_name


def log_session(
    run: RunDir, step: int, device: torch.device, dtype: torch.dtype, parallel: Parallel
) -> None:
    """Append a line about this start of the training to sessions.jsonl.

    Args:
        run: Directory of the run.
        step: Steps made before.
        device: Device that trains.
        dtype: Precision of the matrix products.
        parallel: Processes that train together.
    Raises:
        MtkitError: The file cannot be written.
    """
    run.append_session(
        step=step,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        mtkit=__version__,
        commit=source_commit(),
        torch=torch.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        **_hardware(device),
        precision=str(dtype).removeprefix("torch."),
        n_processes=parallel.world_size,
        n_threads=torch.get_num_threads(),
    )


def _hardware(device: torch.device) -> dict[str, Any]:
    is_gpu = device.type == "cuda"
    return {
        "device": device.type,
        "gpu": torch.cuda.get_device_name(device) if is_gpu else None,
        "processor": processor_name(),
        "n_cores": n_cores(),
        "memory_gb": round(memory_gb(), 1),
    }


def source_commit() -> str | None:
    """Return the Git commit that mtkit runs from, with `+changes` if files differ from it.

    None unless the package is in a Git checkout of its own, and Git is installed.
    """
    package_dir = Path(mtkit.__file__).parent
    root = package_dir.parent
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        # Without locks, it does not get in the way of another use of the checkout.
        command = ["git", "--no-optional-locks", "-C", str(root), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        changes = git("status", "--porcelain", "--untracked-files=no", "--", package_dir.name)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changes else commit

"""Finding the training runs below directories."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.inspection.runs.saved_scores import PATTERN
from mtkit.io.atomic import os_error_reason
from mtkit.io.find_model import CHECKPOINTS_NAME, RUN_NAMES
from mtkit.io.logs import get_logger

logger = get_logger(__name__)

_FILE_NAMES = ("identity.json", "metrics.jsonl", "sessions.jsonl")


def is_run_dir(path: Path) -> bool:
    """Whether a directory is a training run, which may be damaged or incomplete."""
    if any((path / name).is_file() for name in _FILE_NAMES) or (path / CHECKPOINTS_NAME).is_dir():
        return True
    if not (path / "recipe.yaml").is_file() or not (path / "model" / "config.json").is_file():
        return False
    # An average may have been written next to the recipe, and its run be below.
    return next(_runs_in(path, set()), None) is None


def find_runs(directories: Sequence[Path]) -> list[Path]:
    """Return the runs among some directories and below them, each once, in natural order.

    A path without a run, and a directory that cannot be read, is logged as a warning.

    Raises:
        MtkitError: There is no run at all, or a path does not exist.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        if not directory.exists():
            raise MtkitError(f"`{directory}`: no such directory", "check the path")
        runs = sorted(_runs_below(directory, set()), key=_natural_key)
        if not runs and len(directories) > 1:
            logger.warning("`%s`: no training run here", directory)
        for run in runs:
            found.setdefault(os.path.realpath(run), run)
    if not found:
        names = ", ".join(f"`{directory}`" for directory in directories)
        raise MtkitError(f"{names}: no training run here", _hint(directories[0]))
    return list(found.values())


def files_read(run_dir: Path) -> list[Path]:
    """Return the files and directories of a run that a report reads."""
    return [*(run_dir / name for name in sorted(RUN_NAMES)), *sorted(run_dir.glob(PATTERN))]


def require_run(path: Path) -> None:
    """Check that a path is a training run.

    Raises:
        MtkitError: It is not; the hint names a run that may be meant.
    """
    if is_run_dir(path):
        return
    problem = "not a training run" if path.exists() else "no such directory"
    raise MtkitError(f"`{path}`: {problem}", _hint(path))


def _hint(path: Path) -> str:
    """Return a hint for a path that is not a run; it names a run that may be meant."""
    names = [Path("run"), Path("work", "run")]
    candidates: list[Path] = []
    if path.is_dir():
        candidates += [path / name for name in names]
        with suppress(OSError):
            candidates += sorted(path.iterdir(), key=_natural_key)
    candidates += [path.parent, *(path.parent / name for name in names)]
    meant = next((candidate for candidate in candidates if is_run_dir(candidate)), None)
    return f"did you mean `{meant}`?" if meant else "give a directory that `mtkit train` wrote"


def _runs_below(directory: Path, seen: set[str]) -> Iterator[Path]:
    """Yield the runs in a directory tree; links are followed, and a run is not searched."""
    real = os.path.realpath(directory)
    if real in seen or not directory.is_dir():
        return
    seen.add(real)
    try:
        if is_run_dir(directory):
            yield directory
        else:
            yield from _runs_in(directory, seen)
    except OSError as exc:
        logger.warning("`%s`: cannot be read: %s", directory, os_error_reason(exc))


def _runs_in(directory: Path, seen: set[str]) -> Iterator[Path]:
    for child in directory.iterdir():
        if not child.name.startswith("."):
            yield from _runs_below(child, seen)


def _natural_key(path: Path) -> list[Any]:
    """Sort run-2 before run-10."""
    return [
        (int(part), "") if part.isdecimal() else (0, part)
        for part in re.split(r"(\d+)", str(path))
        if part
    ]

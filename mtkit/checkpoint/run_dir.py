"""Directory of a training run.

identity.json    settings and data that must be equal to resume the run
recipe.yaml      the resolved recipe
metrics.jsonl    one JSON object for each log line
sessions.jsonl   one JSON object for each start of the training: program and machine
checkpoints/     training states, see training_checkpoint
model/           the best model so far
.lock            exists while a process trains, or after one was killed
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, convert_os_errors, is_leftover
from mtkit.io.lock import locked

LOCK_NAME = ".lock"


class RunDir:
    """Paths of a training run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        self.metrics_path = path / "metrics.jsonl"
        self.sessions_path = path / "sessions.jsonl"
        self.identity_path = path / "identity.json"
        self.checkpoints_dir = path / "checkpoints"
        self.model_dir = path / "model"

    def refuse_foreign(self) -> None:
        """Check that the directory may be used for a run.

        Raises:
            MtkitError: The directory contains files, but not a run.
        """
        # torch takes a second to load, which those who only need the paths do without.
        from mtkit.checkpoint.model_dir import refuse_foreign_dir

        if (
            self.path.is_dir()
            and not self.identity_path.exists()
            and not all(map(self._is_temporary, self.path.iterdir()))
        ):
            raise MtkitError(
                f"`{self.path}`: contains files that are not of a training run",
                "name a new directory with --output",
            )
        refuse_foreign_dir(self.model_dir)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process, after cleaning up.

        Leftovers of killed processes are removed, and damaged checkpoints are set aside, so that
        the newest checkpoint is intact.

        Raises:
            MtkitError: Another process trains here; the directory is not a run or cannot be
                written; no checkpoint is intact.
        """
        from mtkit.checkpoint.training_checkpoint import set_aside_damaged

        self.refuse_foreign()
        try:
            with locked(self.path / LOCK_NAME, f"trains in `{self.path}`"):
                clean_up_leftovers(
                    self.path,
                    {
                        path.name
                        for path in (
                            self.recipe_path,
                            self.metrics_path,
                            self.identity_path,
                            self.model_dir,
                        )
                    },
                )
                clean_up_leftovers(self.checkpoints_dir)
                set_aside_damaged(self.checkpoints_dir)
                yield
        finally:
            with suppress(OSError):  # removed if it is empty
                self.path.rmdir()

    def _is_temporary(self, path: Path) -> bool:
        return path.name == LOCK_NAME or is_leftover(path)

    def append_metrics(self, **values: Any) -> None:
        """Append one line to metrics.jsonl.

        Raises:
            MtkitError: The file cannot be written.
        """
        _append_line(self.metrics_path, values)

    def append_session(self, **values: Any) -> None:
        """Append one line to sessions.jsonl.

        Raises:
            MtkitError: The file cannot be written.
        """
        _append_line(self.sessions_path, values)

    def sync_metrics(self) -> None:
        """Flush metrics.jsonl to disk, so that its lines survive a power failure."""
        if self.metrics_path.is_file():
            with convert_os_errors(self.metrics_path), self.metrics_path.open("rb") as file:
                os.fsync(file.fileno())

    def truncate_metrics(self, step: int) -> None:
        """Remove the lines of later steps, which a resumed run writes again, and an incomplete
        line.
        """
        if not self.metrics_path.is_file():
            return
        kept = []
        for line in self.metrics_path.read_bytes().split(b"\n"):
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + b"\n")
            except (ValueError, KeyError, TypeError):
                continue
        with atomic_write(self.metrics_path) as file:
            file.writelines(kept)


def _append_line(path: Path, values: dict[str, Any]) -> None:
    with convert_os_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values, ensure_ascii=False) + "\n")

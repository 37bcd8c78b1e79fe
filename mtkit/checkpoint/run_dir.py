"""What a training run is on disk.

identity.json    what must be equal to resume the run
recipe.yaml      the recipe as it was resolved
metrics.jsonl    one JSON object for each line of the log
checkpoints/     training states, see training_state
model/           the best model so far, complete
.lock            there while a process trains here, and after one was killed
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mtkit.checkpoint.model_dir import refuse_foreign_dir
from mtkit.checkpoint.training_checkpoint import set_aside_damaged
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, convert_os_errors, is_leftover
from mtkit.io.lock import locked

LOCK_NAME = ".lock"


class RunDir:
    """The places in a run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        self.metrics_path = path / "metrics.jsonl"
        self.identity_path = path / "identity.json"
        self.checkpoints_dir = path / "checkpoints"
        self.model_dir = path / "model"

    def refuse_foreign(self) -> None:
        """Keep from writing into a folder that is not a run's.

        Raises:
            MtkitError: The folder holds something, but no run.
        """
        if (
            self.path.is_dir()
            and not self.identity_path.exists()
            and not all(map(self._is_temporary, self.path.iterdir()))
        ):
            raise MtkitError(
                f"`{self.path}`: holds other things than a run of mtkit",
                "name a new folder with --out",
            )
        refuse_foreign_dir(self.model_dir)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A context in which no other process trains here, and which begins with all in order:
        leftovers of killed runs are cleared up, and
        the newest checkpoint is whole.

        Raises:
            MtkitError: Another process trains here; the folder is not a run's or cannot be written;
                no checkpoint is whole.
        """
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
            with suppress(OSError):  # it goes if nothing came of it
                self.path.rmdir()

    def _is_temporary(self, path: Path) -> bool:
        return path.name == LOCK_NAME or is_leftover(path)

    def append_metrics(self, **values: Any) -> None:
        """Add one line to metrics.jsonl.

        Raises:
            MtkitError: It cannot be written.
        """
        with (
            convert_os_errors(self.metrics_path),
            self.metrics_path.open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def sync_metrics(self) -> None:
        """See to it that the lines so far outlive a power cut, as a checkpoint does."""
        if self.metrics_path.is_file():
            with convert_os_errors(self.metrics_path), self.metrics_path.open("rb") as file:
                os.fsync(file.fileno())

    def truncate_metrics(self, step: int) -> None:
        """Drop the lines of later steps, which a resumed run makes again, and a line that was not
        finished.
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

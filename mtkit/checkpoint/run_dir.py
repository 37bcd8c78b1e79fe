"""What a training run is on disk.

identity.json    what must be equal to resume the run
recipe.yaml      the recipe as it was resolved
metrics.jsonl    one JSON object for each line of the log
checkpoints/     training states, see training_state
model/           the best model so far, complete
"""

import json
from pathlib import Path
from typing import Any

from mtkit.checkpoint.model_dir import refuse_foreign_dir
from mtkit.errors import MtkitError
from mtkit.files import atomic_write


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
        if self.path.is_dir() and any(self.path.iterdir()) and not self.identity_path.exists():
            raise MtkitError(f"`{self.path}`: holds other things than a run of mtkit", "name a new folder with --out")
        refuse_foreign_dir(self.model_dir)

    def append_metrics(self, **values: Any) -> None:
        """Add one line to metrics.jsonl."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def cut_metrics(self, step: int) -> None:
        """Drop the lines of later steps, which a resumed run makes again, and a line that was not finished."""
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

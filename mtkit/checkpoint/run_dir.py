"""What a training run is on disk.

recipe.yaml      the recipe as it was resolved
metrics.jsonl    one JSON object for each line of the log
checkpoints/     training states, see training_state
model/           the best model so far, complete
"""

import json
from pathlib import Path
from typing import Any

from mtkit.files import atomic_write


class RunDir:
    """The places in a run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        self.metrics_path = path / "metrics.jsonl"
        self.data_path = path / "data.json"
        self.checkpoints_dir = path / "checkpoints"
        self.model_dir = path / "model"

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

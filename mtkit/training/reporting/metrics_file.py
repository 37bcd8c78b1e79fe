"""metrics.jsonl: everything that is told, one JSON object for each line."""

import json
import math
from collections.abc import Sequence

from mtkit.checkpoint.run_dir import RunDir
from mtkit.training.reporting.formatting import SCORES
from mtkit.training.reporting.tracker import TrackedRun, Tracker, ValidationSample


class MetricsFile(Tracker):
    """Writes metrics.jsonl, in which every step occurs once, however often training was interrupted or went back.

    Args:
        run: Where it is.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run

    def start(self, run: TrackedRun) -> None:
        self.run.truncate_metrics(run.step)

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        # JSON has no word for what is not a finite number.
        self.run.append_metrics(
            step=step,
            kind=kind,
            **{name: value if math.isfinite(value) else None for name, value in values.items()},
        )

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        self.run.append_metrics(
            step=step, kind="samples", samples=[sample._asdict() for sample in samples]
        )

    def rollback(self, step: int) -> None:
        self.run.truncate_metrics(step)


def earlier_validations(run: RunDir) -> list[tuple[int, dict[str, float]]]:
    """Step and values of the validations that metrics.jsonl knows."""
    found = []
    if run.metrics_path.is_file():
        for line in run.metrics_path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["kind"] == "validation" and entry["loss"] is not None:
                found.append(
                    (
                        entry["step"],
                        {
                            name: float(entry[name])
                            for name in ("loss", *SCORES, "best")
                            if name in entry
                        },
                    )
                )
    return found

"""metrics.jsonl: all metrics, one JSON object per line."""

import math
from collections.abc import Sequence

from mtkit.checkpoint.run_dir import RunDir
from mtkit.training.reporting.tracker import TrackedRun, Tracker, ValidationSample


class MetricsFile(Tracker):
    """Writes metrics.jsonl, with each step once, whatever interruptions and rollbacks there are.

    Args:
        run: Directory of the run.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run

    def start(self, run: TrackedRun) -> None:
        self.run.truncate_metrics(run.step)

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        # JSON has no NaN and no infinity.
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self.run.append_metrics(step=step, kind=kind, **finite)

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        self.run.append_metrics(
            step=step, kind="samples", samples=[sample._asdict() for sample in samples]
        )

    def rollback(self, step: int) -> None:
        self.run.truncate_metrics(step)

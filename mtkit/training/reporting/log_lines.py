"""Training metrics as lines of the log."""

import time
from collections.abc import Sequence

from mtkit.io.logs import get_logger
from mtkit.training.reporting.formatting import (
    format_progress,
    format_remaining,
    format_training,
    format_validation,
    on_one_line,
)
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import TrackedRun, Tracker, ValidationSample

LINE_EVERY_S = 10.0

logger = get_logger(__name__)


class LogLines(Tracker):
    """Logs metrics and translations, and the progress if ten seconds passed without a line.

    Args:
        throughput: Speed and remaining time.
    """

    def __init__(self, throughput: Throughput) -> None:
        self.throughput = throughput
        self.next_s = time.monotonic() + LINE_EVERY_S

    def start(self, run: TrackedRun) -> None:
        self._postpone()

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        if kind == "train":
            left = format_remaining(self.throughput)
            logger.info("step %d: %s", step, _join(format_training(values), left))
        elif kind == "validation":
            logger.info("step %d: validation %s", step, format_validation(values))
        else:
            logger.info("  %s: %s", kind.removeprefix("validation/"), format_validation(values))
        self._postpone()

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        for sample in samples:
            logger.info("  source:      %s", on_one_line(sample.src))
            logger.info("  reference:   %s", on_one_line(sample.reference))
            logger.info("  translation: %s", on_one_line(sample.hypothesis))

    def update(self, now: float, values: dict[str, float] | None = None) -> None:
        """Log the progress if it is due; see `Reporter.count_step`.

        Without `values`, wait another ten seconds for a step that has them.
        """
        if now < self.next_s or (values is None and now < self.next_s + LINE_EVERY_S):
            return
        self._postpone()
        throughput = self.throughput
        metrics = "" if values is None else format_training(values)
        progress = f"step {throughput.done:,} of {throughput.total:,}"
        logger.info("%s", _join(progress, metrics, format_progress(throughput)))

    def _postpone(self) -> None:
        self.next_s = time.monotonic() + LINE_EVERY_S


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)

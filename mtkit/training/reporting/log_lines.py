"""Training in plain lines of the log: all of it in a pipe or a file, and in short above the view of a terminal."""

import time
from collections.abc import Callable, Sequence

from mtkit.io.logs import get_logger
from mtkit.training.reporting.formatting import (
    on_one_line,
    speed,
    time_left_in_words,
    training_in_few_words,
    training_in_words,
    validation_in_words,
)
from mtkit.training.reporting.throughput import Throughput
from mtkit.training.reporting.tracker import TrackedRun, Tracker, ValidationSample

LINE_EVERY_S = 10.0

logger = get_logger(__name__)


class LogLines(Tracker):
    """Logs what it receives, and the progress of training after every ten seconds without a line.

    Args:
        pace: Knows where training is.
        is_short: Whether a view shows the rest.
    """

    def __init__(self, pace: Throughput, *, is_short: bool = False) -> None:
        self.pace, self.is_short = pace, is_short
        self.next_s = time.monotonic() + LINE_EVERY_S

    def start(self, run: TrackedRun) -> None:
        self._wait()

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        if kind == "train" and self.is_short:
            logger.info("step %d: %s", step, training_in_few_words(values))
        elif kind == "train":
            logger.info(
                "step %d: %s",
                step,
                _joined(training_in_words(values), time_left_in_words(self.pace)),
            )
        elif kind == "validation":
            logger.info("step %d: validation %s", step, validation_in_words(values))
        else:
            logger.info("  %s: %s", kind.removeprefix("validation/"), validation_in_words(values))
        self._wait()

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        if self.is_short:
            return
        for sample in samples:
            logger.info("  source:      %s", on_one_line(sample.src))
            logger.info("  reference:   %s", on_one_line(sample.reference))
            logger.info("  translation: %s", on_one_line(sample.hypothesis))

    def look(self, now: float, values: Callable[[], dict[str, float]] | None = None) -> None:
        """It is `now`, by `time.monotonic()`; `values` as for `Reporter.count_step`."""
        if (
            now < self.next_s
            or self.is_short
            or (values is None and now < self.next_s + LINE_EVERY_S)
        ):
            return
        self._wait()
        pace, shown = self.pace, training_in_few_words(values()) if values is not None else ""
        logger.info(
            "%s",
            _joined(
                f"step {pace.done:,} of {pace.total:,}",
                shown,
                speed(pace),
                time_left_in_words(pace),
            ),
        )

    def _wait(self) -> None:
        self.next_s = time.monotonic() + LINE_EVERY_S


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)

"""Tracker for TensorBoard: `tensorboard --logdir RUN/tensorboard`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, ValidationSample


class TensorBoard(Tracker):
    """Writes files for TensorBoard: metrics as `train/loss`, translations and recipe as text."""

    def __init__(self) -> None:
        self._log_dir = Path()
        self._writer: Any = None

    def start(self, run: TrackedRun) -> None:
        self._log_dir = run.run_dir / "tensorboard"
        self._write_after(run.step)
        settings = {"parameters": run.n_parameters, **run.settings}
        lines = [
            f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()
        ]
        self._writer.add_text("recipe", _verbatim(lines), run.step)

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)
        self._writer.flush()

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        for number, sample in enumerate(samples, 1):
            lines = [
                f"source       {sample.src}",
                f"reference    {sample.reference}",
                f"translation  {sample.hypothesis}",
            ]
            self._writer.add_text(f"samples/{number}", _verbatim(lines), step)
        self._writer.flush()

    def rollback(self, step: int) -> None:
        self._writer.close()
        self._write_after(step)

    def finish(self, status: Status) -> None:
        self._writer.close()

    def _write_after(self, step: int) -> None:
        """Start a new file, which makes TensorBoard ignore later steps of earlier files."""
        from torch.utils.tensorboard import SummaryWriter

        has_earlier = self._log_dir.is_dir() and any(self._log_dir.iterdir())
        purge_step = step + 1 if has_earlier else None
        self._writer = SummaryWriter(str(self._log_dir), purge_step=purge_step)


def _verbatim(lines: list[str]) -> str:
    """Format lines as a Markdown code block."""
    return "\n".join(f"    {line}" for line in lines)

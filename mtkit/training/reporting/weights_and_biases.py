"""Tracker for Weights & Biases, configured by the environment variables of its package."""

import os
import secrets
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mtkit.io.atomic import atomic_write
from mtkit.training.reporting.tracker import Status, TrackedRun, Tracker, ValidationSample

ID_NAME = "wandb_id.txt"
"""File in the run directory with the id of the run, under which it is resumed."""


class WeightsAndBiases(Tracker):
    """Logs metrics as `train/loss`, translations as a table, and the recipe as configuration."""

    def __init__(self) -> None:
        self._run: Any = None

    @staticmethod
    def _wandb() -> Any:
        return import_module("wandb")

    def start(self, run: TrackedRun) -> None:
        settings = run.settings
        self._run = self._wandb().init(
            project=os.environ.get("WANDB_PROJECT", "mtkit"),
            name=os.environ.get(
                "WANDB_NAME",
                f"{settings['data.src_lang']}-{settings['data.tgt_lang']} {run.run_dir.name}",
            ),
            id=_run_id(run.run_dir / ID_NAME),
            resume="allow",
            dir=str(run.run_dir),
            config={"parameters": run.n_parameters, **settings},
        )
        # W&B's own step cannot decrease, as it does when a run is resumed.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log_metrics(self, step: int, kind: str, values: dict[str, float]) -> None:
        self._run.log({"step": step, **{f"{kind}/{name}": value for name, value in values.items()}})

    def log_samples(self, step: int, samples: Sequence[ValidationSample]) -> None:
        table = self._wandb().Table(
            columns=["source", "reference", "translation"],
            data=[list(sample) for sample in samples],
        )
        self._run.log({"step": step, "samples": table})

    def finish(self, status: Status) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1 if status == "failed" else 0)


def _run_id(path: Path) -> str:
    """Read the id of a run, or create and save one."""
    if not path.is_file():
        with atomic_write(path) as file:
            file.write(f"{secrets.token_hex(4)}\n".encode())
    return path.read_text(encoding="utf-8").strip()

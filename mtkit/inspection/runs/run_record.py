"""Everything that a training run has recorded, with remarks on what is missing or damaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mtkit.checkpoint.history import is_finite_number, read_identity, read_metrics
from mtkit.checkpoint.run_dir import LOCK_NAME, RunDir
from mtkit.errors import MtkitError
from mtkit.inspection.run_info import RunInfo, run_info
from mtkit.inspection.runs.saved_scores import SavedScore, read_saved_scores
from mtkit.inspection.runs.settings import SEED, SIGNATURES, read_settings
from mtkit.io.atomic import os_error_reason

State = Literal["complete", "stopped early", "incomplete"]
"""stopped early: validation.patience was exhausted; incomplete: stopped or still training."""
SHOWN_NAMES = {"loss": "loss", "bleu": "BLEU", "chrf": "chrF"}
"""Validation scores in reports."""
Curve = list[tuple[int, float]]
"""Steps and values."""


@dataclass(frozen=True)
class Sample:
    """Translation of a validation pair during training."""

    step: int
    src: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class RunRecord:
    """A training run."""

    path: Path
    info: RunInfo
    settings: dict[str, Any]
    """The resolved recipe, flat; empty if it cannot be read."""
    signatures: dict[str, str]
    """Hashes of the tokenized data and the tokenizer."""
    state: State
    step: int | None
    """Last update that was logged or saved; None before the first."""
    max_steps: int | None
    lines: list[dict[str, Any]]
    """Lines of metrics.jsonl whose values are finite numbers; without samples."""
    samples: list[Sample]
    sessions: list[dict[str, Any]]
    """Starts of the training: program and machine; empty in runs of earlier releases."""
    test_scores: list[SavedScore]
    remarks: list[str]
    """Files and lines that are missing or damaged, and the progress of an incomplete run."""

    @property
    def name(self) -> str:
        """Name in reports."""
        return str(self.path)

    @property
    def seed(self) -> int | None:
        """Seed of the training."""
        seed = self.settings.get(SEED) if self.info.seed is None else self.info.seed
        return seed if isinstance(seed, int) else None

    @property
    def is_complete(self) -> bool:
        """Whether training has ended as the recipe says."""
        return self.state != "incomplete"

    @property
    def identifying(self) -> dict[str, Any]:
        """Settings and signatures, by which runs are grouped; empty if the recipe is unknown."""
        return {**self.settings, **self.signatures} if self.settings else {}

    def curve(self, kind: str, name: str) -> Curve:
        """Return a logged value by step, such as `curve("validation", "bleu")`."""
        return [
            (line["step"], float(line[name]))
            for line in self.lines
            if line["kind"] == kind and name in line
        ]

    def scores(self) -> dict[str, float]:
        """Return the scores of the best validation and the saved test scores, by their labels."""
        best = self.info.best or {}
        scores = {shown: best[name] for name, shown in SHOWN_NAMES.items() if name in best}
        return scores | {score.label: score.value for score in self.test_scores}


def read_run(path: Path) -> RunRecord:
    """Read what a run has recorded; what cannot be read becomes a remark."""
    run = RunDir(path)
    remarks: list[str] = []
    try:
        settings = read_settings(run.recipe_path)
    except MtkitError as exc:
        settings = {}
        remarks.append(exc.message)
    identity = read_identity(run.identity_path)
    if not identity:
        is_there = run.identity_path.exists()
        remarks.append(f"identity.json is {'damaged' if is_there else 'missing'}")
    raw_lines = _read_lines(run.metrics_path, remarks)
    lines, samples = _checked_lines(raw_lines)
    if len(lines) + sum(line.get("kind") == "samples" for line in raw_lines) < len(raw_lines):
        remarks.append("metrics.jsonl has lines without a step or a kind")
    sessions, _ = _checked_lines([{**line, "kind": "session"} for line in _sessions(run)])
    info = run_info(path, identity, lines)
    max_steps = settings.get("training.max_steps")
    max_steps = max_steps if isinstance(max_steps, int) else None
    step = max([info.step or 0, *_saved_steps(run)]) or None
    state = _state(step, lines, max_steps, settings.get("validation.patience"))
    if state == "incomplete":
        remarks.append(_progress(step, max_steps, is_locked=(path / LOCK_NAME).exists()))
    elif not (run.model_dir / "config.json").is_file():
        remarks.append("model/ is missing")
    test_scores, problems = read_saved_scores(path, run.model_dir)
    return RunRecord(
        path=path,
        info=info,
        settings=settings,
        signatures={key: str(identity[key]) for key in SIGNATURES if key in identity},
        state=state,
        step=step,
        max_steps=max_steps,
        lines=lines,
        samples=samples,
        sessions=[
            {name: value for name, value in session.items() if name != "kind"}
            for session in sessions
        ],
        test_scores=test_scores,
        remarks=remarks + problems,
    )


def _read_lines(path: Path, remarks: list[str]) -> list[dict[str, Any]]:
    """Read a file of JSON lines, and remark on the damaged ones."""
    if not path.exists():
        remarks.append(f"{path.name} is missing")
        return []
    try:
        lines = list(read_metrics(path))
        with path.open("rb") as file:
            n_damaged = sum(bool(line.strip()) for line in file) - len(lines)
    except OSError as exc:
        remarks.append(f"{path.name} cannot be read: {os_error_reason(exc)}")
        return []
    if n_damaged:
        s = "s" if n_damaged > 1 else ""
        remarks.append(f"{path.name} has {n_damaged:,} damaged line{s}")
    return lines


def _sessions(run: RunDir) -> list[dict[str, Any]]:
    """Read sessions.jsonl, which runs of earlier releases do not have."""
    return _read_lines(run.sessions_path, []) if run.sessions_path.exists() else []


def _checked_lines(lines: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Sample]]:
    """Return the lines with a step and a kind, without values that are not finite, and samples."""
    checked: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for line in lines:
        step, kind = line.get("step"), line.get("kind")
        if not is_finite_number(step) or not isinstance(step, int) or not isinstance(kind, str):
            continue
        if kind == "samples":
            samples += _samples(step, line.get("samples"))
            continue
        values = {name: value for name, value in line.items() if _is_plain(name, value)}
        checked.append({**values, "step": step, "kind": kind})
    return checked, samples


_TEXTS = {"started", "mtkit", "commit", "torch", "python", "system"}
_TEXTS |= {"device", "gpu", "processor", "precision"}


def _is_plain(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return name in _TEXTS
    return is_finite_number(value)


def _samples(step: int, entries: Any) -> list[Sample]:
    names = ("src", "reference", "hypothesis")
    return [
        Sample(step, *(entry[name] for name in names))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in names)
    ]


def _state(
    step: int | None, lines: list[dict[str, Any]], max_steps: int | None, patience: Any
) -> State:
    if step is not None and max_steps is not None and step >= max_steps:
        return "complete"
    n_without_best = 0
    for line in lines:
        if line["kind"] == "validation":
            n_without_best = 0 if line.get("best") else n_without_best + 1
    has_patience = isinstance(patience, int) and patience > 0
    return "stopped early" if has_patience and n_without_best >= patience else "incomplete"


def _saved_steps(run: RunDir) -> list[int]:
    """Return the steps of the checkpoints by their names."""
    names = [path.name.removeprefix("step-") for path in run.checkpoints_dir.glob("step-*")]
    return [int(name) for name in names if name.isdecimal()]


def _progress(step: int | None, max_steps: int | None, *, is_locked: bool) -> str:
    doing = "training, or killed," if is_locked else "stopped"
    if step is None:
        return f"{doing} before the first line of the log"
    if max_steps is None:
        return f"has reached step {step:,} of an unknown number"
    return f"{doing} at step {step:,} of {max_steps:,}"

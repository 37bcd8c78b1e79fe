"""Scores of test sets that were saved next to a run.

`mtkit evaluate -m RUN/model -s test.de -r test.en --json > RUN/scores-test.json` saves them; any
`scores*.json` of this form in the run directory or its model directory is read.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.checkpoint.history import is_finite_number
from mtkit.io.find_model import WEIGHTS_NAME

PATTERN = "scores*.json"
_MAX_BYTES = 16 << 20
_RESAMPLING = re.compile(r"\|?\b(bs|ar|rs|seed):[^|]*")
_STALE_AFTER_S = 60.0
"""Copying a run may change the order of times by seconds."""


@dataclass(frozen=True)
class SavedScore:
    """Score of one test set in one metric."""

    file: str
    """Name of the file, relative to the run."""
    test_set: str
    """Name of the test set, from the file name; `test` if that has none."""
    metric: str
    """Name for programs, such as bleu."""
    name: str
    """Name in reports, such as BLEU."""
    value: float
    signature: str
    low: float | None
    """Lower end of the confidence interval; None without an interval."""
    high: float | None
    n_segments: int | None

    @property
    def label(self) -> str:
        """Heading of a column with this score."""
        return f"{self.test_set} {self.name}"

    @property
    def comparable_with(self) -> str:
        """Part of the signature that comparable scores share: all but the resampling."""
        return _RESAMPLING.sub("", self.signature).strip("|")

    @property
    def interval(self) -> str:
        """The interval as text; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.low:.2f}, {self.high:.2f}]"


def read_saved_scores(run_dir: Path, model_dir: Path) -> tuple[list[SavedScore], list[str]]:
    """Read all saved scores of a run, and list the problems."""
    scores: list[SavedScore] = []
    problems: list[str] = []
    for path in [*sorted(run_dir.glob(PATTERN)), *sorted(model_dir.glob(PATTERN))]:
        name = str(path.relative_to(run_dir))
        try:
            found = list(_scores(name, _read_json(path)))
        except (OSError, ValueError, RecursionError):
            found = []
        if not found:
            problems.append(f"{name} has no scores as `mtkit evaluate --json` writes them")
        elif _is_stale(path, model_dir / WEIGHTS_NAME):
            problems.append(f"{name} is older than the model")
        scores += found
    return scores, problems


def _read_json(path: Path) -> Any:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError("too large")
    return json.loads(path.read_bytes())


def _is_stale(path: Path, weights: Path) -> bool:
    try:
        return path.stat().st_mtime + _STALE_AFTER_S < weights.stat().st_mtime
    except OSError:
        return False


def _scores(file: str, tree: Any, test_set: str | None = None) -> Iterator[SavedScore]:
    """Yield the scores of a tree; `--robustness` nests one for each altered test set."""
    if not isinstance(tree, dict):
        return
    if test_set is None:
        test_set = Path(file).stem.removeprefix("scores").strip("-_. ") or "test"
    n_segments = tree.get("n_segments")
    for key, entry in tree.items():
        if not isinstance(entry, dict):
            continue
        value = _number(entry.get("value"))
        if value is None:
            yield from _scores(file, entry, f"{test_set} {key}")
            continue
        yield SavedScore(
            file=file,
            test_set=test_set,
            metric=key,
            name=str(entry.get("name", key)),
            value=value,
            signature=str(entry.get("signature", "")),
            low=_number(entry.get("low")),
            high=_number(entry.get("high")),
            n_segments=n_segments if isinstance(n_segments, int) else None,
        )


def _number(value: Any) -> float | None:
    return float(value) if is_finite_number(value) else None

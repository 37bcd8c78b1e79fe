"""Two runs side by side: settings, scores and curves, with what differs most."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from mtkit.inspection.runs.groups import incomparable_labels, score_labels
from mtkit.inspection.runs.run_record import Curve, RunRecord
from mtkit.inspection.runs.settings import differing_keys

_CURVES = (
    ("validation", "loss", "validation loss"),
    ("validation", "bleu", "validation BLEU"),
    ("validation", "chrf", "validation chrF"),
    ("train", "nll", "training loss (without smoothing)"),
    ("train", "grad_norm", "gradient norm"),
    ("train", "lr", "learning rate"),
    ("train", "tokens_per_s", "tokens per second"),
)
_PROGRAM = ("mtkit", "commit", "torch", "device", "gpu", "processor", "precision", "n_processes")


@dataclass(frozen=True)
class CurveDifference:
    """Difference between the curves of two runs, at the steps that both have logged."""

    name: str
    n_steps: int
    first: float
    """Mean of the first run over these steps."""
    second: float
    mean: float
    """Mean difference, second minus first."""
    largest: float
    """Difference of the largest absolute value."""
    largest_step: int
    last: float
    """Difference at the last of these steps."""

    @property
    def relative(self) -> float:
        """Mean difference as a share of the values, by which curves are ordered."""
        size = (abs(self.first) + abs(self.second)) / 2
        return abs(self.mean) / size if size else 0.0


@dataclass(frozen=True)
class RunPair:
    """Comparison of two runs."""

    first: RunRecord
    second: RunRecord
    settings: dict[str, tuple[Any, Any]]
    """Settings that differ, in the order of the recipe, then program and machine; values of the
    two runs."""
    scores: dict[str, tuple[float | None, float | None]]
    """Best validation scores and test scores of the two runs."""
    curves: list[CurveDifference]
    """Curves that differ, in the order of their relative difference, the largest first."""

    def score_differences(self) -> dict[str, float]:
        """Return second minus first, of the scores that both have and that can be compared."""
        incomparable = incomparable_labels([self.first, self.second])
        return {
            label: second - first
            for label, (first, second) in self.scores.items()
            if first is not None and second is not None and label not in incomparable
        }


def compare_pair(first: RunRecord, second: RunRecord) -> RunPair:
    """Compare two runs."""
    runs = (first, second)
    identifying = [run.identifying for run in runs]
    keys = differing_keys(identifying) if all(identifying) else []
    settings = {key: (identifying[0].get(key), identifying[1].get(key)) for key in keys}
    if first.seed != second.seed:
        settings["training.seed"] = (first.seed, second.seed)
    sessions = [run.sessions[-1] if run.sessions else {} for run in runs]
    if all(sessions):
        pairs = {name: (sessions[0].get(name), sessions[1].get(name)) for name in _PROGRAM}
        settings |= {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    scores = {
        label: (first.scores().get(label), second.scores().get(label))
        for label in score_labels(runs)
    }
    curves = [
        difference
        for kind, key, name in _CURVES
        if (difference := _compare_curves(name, *(run.curve(kind, key) for run in runs)))
        and difference.largest
    ]
    curves.sort(key=lambda difference: -difference.relative)
    return RunPair(first, second, settings, scores, curves)


def _compare_curves(name: str, first: Curve, second: Curve) -> CurveDifference | None:
    """Compare two curves; None if they have no step in common."""
    values = dict(first)
    common: Sequence[tuple[int, float, float]] = [
        (step, values[step], value) for step, value in second if step in values
    ]
    if not common:
        return None
    differences = [(step, b - a) for step, a, b in common]
    largest_step, largest = max(differences, key=lambda pair: abs(pair[1]))
    return CurveDifference(
        name=name,
        n_steps=len(common),
        first=mean(a for _, a, _ in common),
        second=mean(b for _, _, b in common),
        mean=mean(difference for _, difference in differences),
        largest=largest,
        largest_step=largest_step,
        last=differences[-1][1],
    )

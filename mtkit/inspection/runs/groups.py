"""Groups of runs that differ in the seed alone, with mean and deviation of their scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from mtkit.inspection.runs.run_record import RunRecord
from mtkit.inspection.runs.settings import same_but_for_the_seed


@dataclass(frozen=True)
class Aggregate:
    """A score over several seeds."""

    n: int
    """Number of runs."""
    mean: float
    deviation: float | None
    """Standard deviation of single runs, with n - 1 in the denominator; None for one run."""


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ in the seed alone, or a run whose settings are unknown."""

    number: int
    """From 1, in the order of the first runs."""
    runs: list[RunRecord]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings and signatures of the first run."""
        return self.runs[0].identifying

    @property
    def counted(self) -> list[RunRecord]:
        """Complete runs, one for each seed, of which means are made."""
        by_seed: dict[Any, RunRecord] = {}
        for run in self.runs:
            if run.is_complete:
                by_seed.setdefault(run.seed, run)
        return list(by_seed.values())

    def aggregates(self) -> dict[str, Aggregate]:
        """Return mean and deviation of each score, over the counted runs that have it.

        Test scores whose signatures differ are left out.
        """
        return {
            label: Aggregate(len(values), mean(values), stdev(values) if len(values) > 1 else None)
            for label in score_labels(self.counted)
            if label not in incomparable_labels(self.counted)
            if (values := [run.scores()[label] for run in self.counted if label in run.scores()])
        }

    def is_counted(self, run: RunRecord) -> bool:
        """Whether a run counts for the mean."""
        return any(run is counted for counted in self.counted)


def group_runs(records: Sequence[RunRecord]) -> list[RunGroup]:
    """Group runs that differ in the seed alone, in the order of their first runs."""
    groups: dict[Any, list[RunRecord]] = {}
    for record in records:
        # Runs without settings cannot be compared.
        settings = record.identifying
        key = same_but_for_the_seed(settings) if settings else record.path
        groups.setdefault(key, []).append(record)
    return [RunGroup(number, runs) for number, runs in enumerate(groups.values(), 1)]


def score_labels(records: Sequence[RunRecord]) -> list[str]:
    """Return the labels of all scores: validation first, then the test sets."""
    labels = dict.fromkeys(label for record in records for label in record.scores())
    validation = [label for label in ("loss", "BLEU", "chrF") if label in labels]
    return [*validation, *(label for label in labels if label not in validation)]


def incomparable_labels(records: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Return the test scores whose signatures differ between runs, with these signatures."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for score in record.test_scores:
            found.setdefault(score.label, {})[score.comparable_with] = None
    return {label: list(signatures) for label, signatures in found.items() if len(signatures) > 1}


def repeated_seeds(groups: Sequence[RunGroup]) -> Iterator[tuple[RunRecord, RunRecord]]:
    """Yield each complete run that repeats the settings and the seed of another, and that one."""
    for group in groups:
        for run in group.runs:
            if run.is_complete and not group.is_counted(run):
                yield run, next(other for other in group.counted if other.seed == run.seed)

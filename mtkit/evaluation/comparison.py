"""Comparison of systems: their scores with intervals, and the significance of the differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np

from mtkit.errors import MtkitError
from mtkit.evaluation.corpus_metric import CorpusMetric, Rows
from mtkit.evaluation.resampling import (
    Floats,
    Resampling,
    bootstrap_p,
    draw_bootstrap,
    draw_halves,
    holm,
    percentile_interval,
    randomization_p,
    resample,
)
from mtkit.evaluation.score import Interval, Score


class System(NamedTuple):
    """Translations of a test set by one system."""

    name: str
    runs: Sequence[Sequence[str]]
    """One list of translations, or one for each of several training runs (seeds)."""


class RunScores(NamedTuple):
    """Scores of a system's runs in one metric."""

    score: Score
    """Mean over the runs; of a single run, its score."""
    runs: list[float]
    """Score of each run."""

    @property
    def deviation(self) -> float | None:
        """Standard deviation of single runs, with n - 1 in the denominator; None for one run."""
        return stdev(self.runs) if len(self.runs) > 1 else None


@dataclass(frozen=True)
class SystemResult:
    """Scores of one system."""

    system: System
    scores: dict[str, RunScores]
    """Scores by metric."""
    rows: dict[str, list[Rows]]
    """Statistics of each segment, for each metric and run."""
    samples: dict[str, Floats]
    """Scores on the bootstrap resamples, by metric; empty without resamples."""


@dataclass(frozen=True)
class Difference:
    """Difference of two systems in one metric."""

    metric: str
    first: str
    """Name of a system; of a pair with the baseline, the baseline."""
    second: str
    value: float
    """Score of the second minus score of the first."""
    low: float
    """2.5 % of the differences on resamples are below."""
    high: float
    """2.5 % of the differences on resamples are above."""
    better_share: float
    """Share of the resamples on which the second is better."""
    n_different: int
    """Segments in which the outputs differ, as far as the metric sees them; of all runs together.
    """
    is_below_deviation: bool
    """Whether the difference is smaller than the standard deviation of either system's runs."""
    p: float | None = None
    """p-value; None if the outputs are equal."""
    p_holm: float | None = None
    """p-value with Holm's correction for the number of pairs."""
    signature: str = ""
    """Signature with the settings of the resampling."""


@dataclass(frozen=True)
class Comparison:
    """Scores of several systems, and the differences of all pairs."""

    metrics: dict[str, CorpusMetric]
    systems: list[SystemResult]
    """The first is the baseline."""
    differences: list[Difference]
    """Ordered by metric, then by pair; those with the baseline come first."""
    resampling: Resampling


def compare_systems(
    systems: Sequence[System], metrics: Mapping[str, CorpusMetric], resampling: Resampling
) -> Comparison:
    """Score systems, and test the difference of each pair.

    Several runs of a system count as one system, whose score is the mean of theirs.

    Args:
        systems: The first is the baseline.
        metrics: Metrics by their keys, with the references of the test set.
        resampling: Settings of intervals and tests.
    Raises:
        MtkitError: There are several systems but no resamples; or, with approximate randomization,
            systems have different numbers of runs.
    """
    if len(systems) > 1 and not resampling.n_bootstrap:
        raise MtkitError("a comparison needs resamples", "leave out --bootstrap 0")
    if resampling.test == "ar" and len({len(system.runs) for system in systems}) > 1:
        counts = ", ".join(f"{system.name}: {len(system.runs)}" for system in systems)
        raise MtkitError(
            f"approximate randomization needs the same number of runs of each system ({counts})",
            "give as many runs of each, or use the paired bootstrap: --test bs",
        )
    results = score_systems(systems, metrics, resampling)
    differences = []
    for key, metric in metrics.items():
        pairs = [
            _difference(key, metric, first, second) for first, second in combinations(results, 2)
        ]
        differences += _with_p_values(pairs, metric, results, resampling)
    return Comparison(dict(metrics), results, differences, resampling)


def score_systems(
    systems: Sequence[System], metrics: Mapping[str, CorpusMetric], resampling: Resampling
) -> list[SystemResult]:
    """Score systems, with confidence intervals unless there are no resamples."""
    rows = [
        {key: [metric.statistics(run) for run in system.runs] for key, metric in metrics.items()}
        for system in systems
    ]
    drawn = iter(
        resample(
            draw_bootstrap,
            [part for by_metric in rows for runs in by_metric.values() for part in runs],
            resampling.n_bootstrap,
            resampling.seed,
        )
    )
    results = []
    for system, by_metric in zip(systems, rows, strict=True):
        samples = {
            key: _mean_scores(
                metrics[key], [next(drawn).astype(metrics[key].bootstrap_type) for _ in runs]
            )
            for key, runs in by_metric.items()
        }
        scores = {
            key: _run_scores(metrics[key], runs, samples[key], resampling)
            for key, runs in by_metric.items()
        }
        results.append(SystemResult(system, scores, by_metric, samples))
    return results


def _run_scores(
    metric: CorpusMetric, runs: Sequence[Rows], samples: Floats, resampling: Resampling
) -> RunScores:
    sums = [rows.sum(axis=0).tolist() for rows in runs]
    values = [float(metric.score(total)) for total in sums]
    interval, settings = None, {}
    if len(samples):
        interval = Interval(
            float(np.sort(samples).mean()),  # sorted as in sacreBLEU, for the same rounding
            *percentile_interval(samples),
            resampling.n_bootstrap,
            resampling.seed,
            metric.version,
        )
        settings = {"bs": resampling.n_bootstrap, "seed": resampling.seed}
    detail = metric.detail(sums[0]) if len(sums) == 1 else ""
    signature = metric.signature(**settings)
    score = Score(metric.name, mean(values), signature, detail, interval, metric.n_digits)
    return RunScores(score, values)


def _mean_scores(metric: CorpusMetric, sums_of_runs: Sequence[np.ndarray]) -> Floats:
    """Return the score of each resample, the mean over the runs."""
    scores = [[metric.score(sums) for sums in resamples] for resamples in sums_of_runs]
    return np.mean(scores, axis=0)


def _difference(
    key: str, metric: CorpusMetric, first: SystemResult, second: SystemResult
) -> Difference:
    value = second.scores[key].score.value - first.scores[key].score.value
    samples = second.samples[key] - first.samples[key]
    low, high = percentile_interval(samples)
    is_better = samples > 0 if metric.higher_is_better else samples < 0
    deviations = [result.scores[key].deviation or 0 for result in (first, second)]
    return Difference(
        key,
        first.system.name,
        second.system.name,
        value,
        low,
        high,
        float(is_better.mean()),
        _count_different(first.rows[key], second.rows[key]),
        abs(value) < max(deviations),
    )


def _count_different(first: Sequence[Rows], second: Sequence[Rows]) -> int:
    """Count the segments in which the statistics of two systems differ."""
    if len(first) != len(second):
        return sum(map(len, first))
    return sum(int((a != b).any(axis=1).sum()) for a, b in zip(first, second, strict=True))


def _with_p_values(
    pairs: Sequence[Difference],
    metric: CorpusMetric,
    results: Sequence[SystemResult],
    resampling: Resampling,
) -> list[Difference]:
    """Add the p-values to the differences of all pairs in one metric."""
    settings = {"bs": resampling.n_bootstrap, "seed": resampling.seed}
    by_name = {result.system.name: result for result in results}
    if resampling.test == "ar":
        settings["ar"] = resampling.n_trials
        exchanged = _exchange(pairs, metric, results, resampling)
        test = randomization_p
    else:
        exchanged = [
            by_name[pair.second].samples[pair.metric] - by_name[pair.first].samples[pair.metric]
            for pair in pairs
        ]
        test = bootstrap_p
    # For equal outputs, the tests would give the smallest possible p-value: no resample has a
    # larger difference.
    p_values = [
        None if not pair.n_different else test(differences, pair.value)
        for pair, differences in zip(pairs, exchanged, strict=True)
    ]
    corrected = iter(holm([p for p in p_values if p is not None]))
    return [
        replace(
            pair,
            p=p,
            p_holm=None if p is None else next(corrected),
            signature=metric.signature(**settings),
        )
        for pair, p in zip(pairs, p_values, strict=True)
    ]


def _exchange(
    pairs: Sequence[Difference],
    metric: CorpusMetric,
    results: Sequence[SystemResult],
    resampling: Resampling,
) -> list[Floats]:
    """Return for each pair the differences after random segments were exchanged."""
    if not pairs:
        return []
    key = pairs[0].metric
    kept = iter(
        resample(
            draw_halves,
            [rows for result in results for rows in result.rows[key]],
            resampling.n_trials,
            resampling.seed,
        )
    )
    # The sums over the kept segments and over the others, for each run of each system.
    halves = {
        result.system.name: [
            (part, rows.sum(axis=0) - part)
            for rows, part in zip(result.rows[key], kept, strict=False)
        ]
        for result in results
    }
    exchanged = []
    for pair in pairs:
        runs = list(zip(halves[pair.first], halves[pair.second], strict=True))
        # Lists, because sacreBLEU computes with Python's numbers faster than with numpy's.
        first, second = (
            _mean_scores(metric, [part.tolist() for part in parts])
            for parts in (
                [kept_a + rest_b for (kept_a, _), (_, rest_b) in runs],
                [rest_a + kept_b for (_, rest_a), (kept_b, _) in runs],
            )
        )
        exchanged.append(second - first)
    return exchanged

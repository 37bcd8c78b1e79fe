"""Reports of a comparison: tables as text, Markdown or LaTeX, and JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtkit.evaluation.buckets import Bucket
from mtkit.evaluation.comparison import Comparison, Difference, RunScores
from mtkit.evaluation.faults import FaultCount
from mtkit.evaluation.score import Score
from mtkit.evaluation.segment_differences import SegmentDifference
from mtkit.evaluation.tables import Table, TableFormat, render, signature_table
from mtkit.io.columns import align

_MIN_P = 0.0001 - 1e-7
"""Smallest p-value that is shown; that of 10,000 trials without a larger difference is shown."""
FEW_DIFFERENT = 10
"""With fewer different segments, their outputs can be exchanged in too few ways for a test."""


@dataclass(frozen=True)
class Report:
    """A comparison and its analyses."""

    comparison: Comparison
    references: Sequence[Sequence[str]]
    src: Sequence[str] | None = None
    faults: Mapping[str, Sequence[FaultCount]] = field(default_factory=dict)
    buckets: Mapping[str, Sequence[Bucket]] = field(default_factory=dict)
    """Buckets by the title of their table."""
    segments: Mapping[tuple[str, str], Sequence[SegmentDifference]] = field(default_factory=dict)
    """Segments that differ most, for each pair of a baseline and a system."""


def to_tables(report: Report, form: TableFormat) -> str:
    """Return all tables of a report in a format."""
    fences = {"markdown": ("```", "```"), "latex": (r"\begin{verbatim}", r"\end{verbatim}")}
    before, after = fences.get(form, ("", ""))
    examples = [
        "\n".join(filter(None, (before, _segments_to_text(report, *pair), after)))
        for pair, segments in report.segments.items()
        if segments
    ]
    return "\n\n".join([*(render(table, form) for table in _tables(report)), *examples])


def to_json(report: Report) -> str:
    """Return a report as a JSON object, with unrounded values."""
    comparison = report.comparison
    systems = [
        {
            "name": result.system.name,
            "metrics": {key: _runs_to_dict(runs) for key, runs in result.scores.items()},
            "faults": {fault: vars(counts[i]) for fault, counts in report.faults.items()},
        }
        for i, result in enumerate(comparison.systems)
    ]
    names = [result.system.name for result in comparison.systems]
    content = {
        "n_segments": len(report.references[0]),
        "baseline": names[0],
        "systems": systems,
        "differences": [difference_to_dict(pair, comparison) for pair in comparison.differences],
        "buckets": {
            title: [
                {
                    "name": bucket.name,
                    "n": bucket.n,
                    "scores": {
                        key: dict(zip(names, values, strict=True))
                        for key, values in bucket.scores.items()
                    },
                }
                for bucket in buckets
            ]
            for title, buckets in report.buckets.items()
        },
        "segments": [
            {"systems": list(pair), **segment._asdict()}
            for pair, segments in report.segments.items()
            for segment in segments
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def _runs_to_dict(runs: RunScores) -> dict[str, Any]:
    if len(runs.runs) == 1:
        return runs.score.as_dict()
    return runs.score.as_dict() | {
        "runs": runs.runs,
        "deviation": runs.deviation,
        "min": min(runs.runs),
        "max": max(runs.runs),
    }


def difference_to_dict(pair: Difference, comparison: Comparison) -> dict[str, Any]:
    """Return a difference and the settings of its test as a JSON object."""
    resampling = comparison.resampling
    return {
        **vars(pair),
        "test": resampling.test,
        "n_trials": resampling.n_trials if resampling.test == "ar" else resampling.n_bootstrap,
        "n_bootstrap": resampling.n_bootstrap,
        "seed": resampling.seed,
        "version": comparison.metrics[pair.metric].version,
    }


def _tables(report: Report) -> Iterator[Table]:
    comparison = report.comparison
    yield _score_table(comparison)
    if any(len(result.system.runs) > 1 for result in comparison.systems):
        yield _run_table(comparison)
    if comparison.differences:
        yield _difference_table(comparison)
    if any(count.n for counts in report.faults.values() for count in counts):
        yield _fault_table(report)
    for title, buckets in report.buckets.items():
        yield _bucket_table(comparison, title, buckets)
    yield signature_table(
        (metric.name, _signature(comparison, key)) for key, metric in comparison.metrics.items()
    )


def _signature(comparison: Comparison, key: str) -> str:
    pair = next((pair for pair in comparison.differences if pair.metric == key), None)
    return pair.signature if pair else comparison.systems[0].scores[key].score.signature


def _score_table(comparison: Comparison) -> Table:
    names = [
        metric.name + ("" if metric.higher_is_better else " (lower is better)")
        for metric in comparison.metrics.values()
    ]
    rows = [
        [result.system.name, *(format_score(runs.score) for runs in result.scores.values())]
        for result in comparison.systems
    ]
    title = "Scores [95 % interval]" if comparison.resampling.n_bootstrap else "Scores"
    if len(rows) > 1:
        title += "; the first system is the baseline"
    return Table(title, ["system", *names], rows)


def format_score(score: Score) -> str:
    """Format a score with its interval, if it has one."""
    value = f"{score.value:.{score.n_digits}f}"
    if score.interval is None:
        return value
    return f"{value} {format_interval(score.interval.low, score.interval.high, score.n_digits)}"


def _run_table(comparison: Comparison) -> Table:
    rows = []
    for result in comparison.systems:
        for scores in result.scores.values():
            score, runs = scores
            numbers = (score.value, scores.deviation, min(runs), max(runs))
            cells = ["-" if x is None else f"{x:.{score.n_digits}f}" for x in numbers]
            rows.append([result.system.name, score.name, str(len(runs)), *cells])
    header = ["system", "metric", "runs", "mean", "deviation", "min", "max"]
    return Table("Runs of each system", header, rows, n_left=2)


def _difference_table(comparison: Comparison) -> Table:
    header = ["metric", "systems", "difference", "95 % interval", "better in", "p"]
    has_several = len(comparison.systems) > 2
    rows, notes = [], []
    for pair in comparison.differences:
        metric = comparison.metrics[pair.metric]
        better = f"{pair.second} in {100 * pair.better_share:.1f} %" if pair.n_different else "-"
        cells = [
            metric.name,
            f"{pair.second} - {pair.first}",
            f"{pair.value:+.{metric.n_digits}f}",
            format_interval(pair.low, pair.high, metric.n_digits, "+"),
            better,
            format_p_value(pair.p),
        ]
        rows.append([*cells, format_p_value(pair.p_holm)] if has_several else cells)
        notes.append(_note(pair, comparison))
    if has_several:
        header.append("p (Holm)")
    if any(notes):
        header.append("note")
        rows = [[*cells, note] for cells, note in zip(rows, notes, strict=True)]
    test = "randomization" if comparison.resampling.test == "ar" else "paired bootstrap"
    return Table(f"Differences, tested by {test}", header, rows, n_left=2)


def _note(pair: Difference, comparison: Comparison) -> str:
    if not pair.n_different:
        outputs = {result.system.name: result.system.runs for result in comparison.systems}
        is_same_text = outputs[pair.first] == outputs[pair.second]
        return "the outputs are equal" + ("" if is_same_text else " to this metric")
    if pair.n_different < FEW_DIFFERENT:
        return f"only {pair.n_different} segments differ"
    return "below the deviation of the runs" if pair.is_below_deviation else ""


def _fault_table(report: Report) -> Table:
    names = [result.system.name for result in report.comparison.systems]
    rows = [
        [
            fault,
            *(str(count.n) for count in counts),
            *(format_p_value(count.p) for count in counts[1:]),
            ", ".join(map(str, counts[-1].lines)),
        ]
        for fault, counts in report.faults.items()
        if any(count.n for count in counts)
    ]
    header = ["fault", *names, *(f"p ({name})" for name in names[1:]), f"lines ({names[-1]})"]
    title = "Faults (segments)"
    if len(names) > 1:
        title += ", with an exact sign test against the baseline"
    return Table(title, header, rows)


def _bucket_table(comparison: Comparison, title: str, buckets: Sequence[Bucket]) -> Table:
    rows = []
    for bucket in buckets:
        for key, values in bucket.scores.items():
            metric = comparison.metrics.get(key)
            name, n_digits = (metric.name, metric.n_digits) if metric else ("F1", 2)
            cells = [f"{value:.{n_digits}f}" for value in values]
            rows.append([bucket.name, name, str(bucket.n), *cells])
    names = [result.system.name for result in comparison.systems]
    return Table(title, ["", "metric", "n", *names], rows, n_left=2)


def _segments_to_text(report: Report, first: str, second: str) -> str:
    metric = next(iter(report.comparison.metrics.values()))
    rows: list[list[str]] = []
    for segment in report.segments[first, second]:
        references = [
            stream[segment.line - 1] for stream in report.references if stream[segment.line - 1]
        ]
        texts = [
            *([] if report.src is None else [("source", report.src[segment.line - 1])]),
            *(("reference", reference) for reference in references),
            (first, f"{segment.first_score:6.{metric.n_digits}f}  {segment.first}"),
            (second, f"{segment.second_score:6.{metric.n_digits}f}  {segment.second}"),
        ]
        rows += [[f"line {segment.line}"], *([f"  {label}", text] for label, text in texts)]
    title = f"Segments that differ most in {metric.name}: {first}, {second}"
    return "\n".join([title, *align(rows)])


def format_p_value(p: float | None) -> str:
    """Format a p-value; that of equal outputs is None."""
    if p is None:
        return "-"
    return f"{p:.4f}" if p >= _MIN_P else f"<{_MIN_P:.4f}"


def format_interval(low: float, high: float, n_digits: int, sign: str = "-") -> str:
    """Format an interval, with plus signs if `sign` is `+`."""
    return f"[{low:{sign}.{n_digits}f}, {high:{sign}.{n_digits}f}]"

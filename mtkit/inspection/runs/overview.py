"""Overview of several runs: a table for people, and JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtkit.inspection.runs.groups import (
    RunGroup,
    group_runs,
    incomparable_labels,
    repeated_seeds,
    score_labels,
)
from mtkit.inspection.runs.run_pair import RunPair, compare_pair
from mtkit.inspection.runs.run_record import RunRecord
from mtkit.inspection.runs.settings import differing_keys, short_names, shown
from mtkit.io.columns import align

_MAX_COLUMNS = 4
"""Number of settings that are columns; more are listed below the table."""
_UNKNOWN = "?"
_MISSING = "-"


@dataclass(frozen=True)
class Overview:
    """Several runs, their groups and what differs."""

    records: list[RunRecord]
    groups: list[RunGroup]
    differing: list[str]
    """Settings that differ between runs, except for the seed."""
    pair: RunPair | None
    """Comparison of the runs if there are exactly two."""

    def remarks(self) -> dict[str, str]:
        """Return the remark on each run that has one."""
        remarks = {record.name: list(record.remarks) for record in self.records if record.remarks}
        for run, other in repeated_seeds(self.groups):
            remarks.setdefault(run.name, []).append(
                f"repeats the settings and the seed of {other.name}, and is left out of the mean"
            )
        return {name: "; ".join(found) for name, found in remarks.items()}


def make_overview(records: Sequence[RunRecord]) -> Overview:
    """Compare runs."""
    known = [record.identifying for record in records if record.settings]
    pair = compare_pair(*records) if len(records) == 2 else None
    differing = differing_keys(known) if known else []
    return Overview(list(records), group_runs(records), differing, pair)


def to_json(overview: Overview) -> str:
    """Return a JSON object with runs, groups, the settings that differ, and the pair of two runs.

    Values are not rounded.
    """
    content = {
        "runs": [
            _run_to_dict(run, group.number, overview.remarks().get(run.name))
            for group in overview.groups
            for run in group.runs
        ],
        "differing_settings": overview.differing,
        "groups": [
            {
                "group": group.number,
                "runs": [run.name for run in group.runs],
                "settings": {key: group.settings.get(key) for key in overview.differing},
                "seeds": [run.seed for run in group.counted],
                "scores": {name: asdict(value) for name, value in group.aggregates().items()},
            }
            for group in overview.groups
        ],
        "pair": None if overview.pair is None else _pair_to_dict(overview.pair),
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def _run_to_dict(run: RunRecord, group: int, remark: str | None) -> dict[str, Any]:
    return {
        "path": run.name,
        "group": group,
        "state": run.state,
        "remark": remark,
        "seed": run.seed,
        "step": run.step,
        "max_steps": run.max_steps,
        "train_s": run.info.train_s,
        "metric": run.info.metric,
        "best": run.info.best,
        "last": run.info.last,
        "validations": [
            {name: value for name, value in line.items() if name != "kind"}
            for line in run.lines
            if line["kind"] == "validation"
        ],
        "test_scores": [asdict(score) for score in run.test_scores],
        "settings": run.settings,
        "sessions": run.sessions,
    }


def _pair_to_dict(pair: RunPair) -> dict[str, Any]:
    return {
        "first": pair.first.name,
        "second": pair.second.name,
        "settings": {key: list(values) for key, values in pair.settings.items()},
        "scores": {label: list(values) for label, values in pair.scores.items()},
        "score_differences": pair.score_differences(),
        "curves": [asdict(curve) for curve in pair.curves],
    }


def to_text(overview: Overview) -> str:
    """Return the tables of an overview, without a final line end.

    ```
    run              dropout  seed  steps  best at   loss  BLEU   chrF
    runs/base-1          0.1     1    200      200  3.875  6.22  23.13
    runs/base-2          0.1     2    200      160  3.941  6.32  21.15
    mean of 2 seeds      0.1                        3.908  6.27  22.14
    deviation            0.1                        0.047  0.07   1.40
    ```
    """
    blocks = [_table(_overview_rows(overview))]
    if len(overview.differing) > _MAX_COLUMNS:
        blocks.append(_settings_block(overview))
    if remarks := overview.remarks():
        blocks.append(_list("remarks", remarks.items()))
    if conflicts := incomparable_labels(overview.records):
        lines = [(label, " and ".join(signatures)) for label, signatures in conflicts.items()]
        blocks.append(_list("not comparable, since the signatures differ", lines))
    if overview.pair is not None:
        blocks += _pair_blocks(overview.pair)
    return "\n\n".join(blocks)


def _overview_rows(overview: Overview) -> Iterator[list[str]]:
    labels = score_labels(overview.records)
    with_interval = {
        score.label for run in overview.records for score in run.test_scores if score.interval
    }
    has_columns = len(overview.differing) <= _MAX_COLUMNS
    keys = overview.differing if has_columns else []
    heads = short_names(keys) if has_columns else ["settings"]
    score_heads = [
        head
        for label in labels
        for head in ([label, "95 % interval"] if label in with_interval else [label])
    ]
    yield ["run", *heads, "seed", "steps", "best at", *score_heads]

    def score_cells(values: Mapping[str, float], intervals: Mapping[str, str]) -> Iterator[str]:
        for label in labels:
            yield format_score(label, values[label]) if label in values else _MISSING
            if label in with_interval:
                yield intervals.get(label, "")

    for group in overview.groups:
        settings = [_setting(group, key) for key in keys] if has_columns else [_mark(group)]
        if group.number > 1 and len(overview.records) > len(overview.groups):
            yield []
        for run in group.runs:
            seed = _UNKNOWN if run.seed is None else str(run.seed)
            best_step = f"{run.info.best['step']:,}" if run.info.best else _MISSING
            intervals = {score.label: score.interval for score in run.test_scores}
            cells = score_cells(run.scores(), intervals)
            yield [run.name, *settings, seed, _steps(run), best_step, *cells]
        if len(group.counted) > 1:
            aggregates = group.aggregates().items()
            means = {label: value.mean for label, value in aggregates}
            deviations = {
                label: value.deviation for label, value in aggregates if value.deviation is not None
            }
            n = len(group.counted)
            yield [f"mean of {n} seeds", *settings, "", "", "", *score_cells(means, {})]
            yield ["deviation", *settings, "", "", "", *score_cells(deviations, {})]


def _setting(group: RunGroup, key: str) -> str:
    return shown(group.settings.get(key)) if group.settings else _UNKNOWN


def _mark(group: RunGroup) -> str:
    return f"#{group.number}"


def _steps(run: RunRecord) -> str:
    if run.step is None:
        return _MISSING
    if run.is_complete or run.max_steps is None:
        return f"{run.step:,}"
    return f"{run.step:,} of {run.max_steps:,}"


def format_score(label: str, value: float) -> str:
    """Format a score: a loss with three decimals, others with two."""
    return f"{value:.3f}" if label == "loss" else f"{value:.2f}"


def _settings_block(overview: Overview) -> str:
    groups = overview.groups
    rows = [["settings", *map(_mark, groups)]]
    rows += [[key, *(_setting(group, key) for group in groups)] for key in overview.differing]
    return _table(rows)


def _pair_blocks(pair: RunPair) -> Iterator[str]:
    yield f"A  {pair.first.name}\nB  {pair.second.name}"
    if pair.settings:
        rows = [[key, *map(shown, values)] for key, values in pair.settings.items()]
        yield _table([["settings that differ", "A", "B"], *rows])
    elif pair.first.settings and pair.second.settings:
        yield "the settings are equal"
    if pair.scores:
        differences = pair.score_differences()
        rows = [
            [
                label,
                *(_MISSING if value is None else format_score(label, value) for value in values),
                _signed(differences.get(label)),
            ]
            for label, values in pair.scores.items()
        ]
        yield _table([["scores", "A", "B", "B - A"], *rows])
    if pair.curves:
        head = ["curves", "steps", "mean A", "mean B", "mean B - A", "largest", "at step", "last"]
        rows = [
            [
                curve.name,
                f"{curve.n_steps:,}",
                _short(curve.first),
                _short(curve.second),
                _signed(curve.mean),
                _signed(curve.largest),
                f"{curve.largest_step:,}",
                _signed(curve.last),
            ]
            for curve in pair.curves
        ]
        yield _table([head, *rows])


def _signed(value: float | None) -> str:
    return _MISSING if value is None else f"{value:+.4g}"


def _short(value: float) -> str:
    return f"{value:.4g}"


def _list(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {name}: {text}" for name, text in rows)])


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Align the cells of rows in columns: the first to the left, the others to the right.

    A row without cells becomes a blank line.
    """
    rows = list(rows)
    return "\n".join(align(rows, right=range(1, max(map(len, rows)))))

"""The report of a run: one HTML page that needs no network and no other file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from mtkit.checkpoint.run_dir import RunDir
from mtkit.config.dump import flow_yaml
from mtkit.errors import MtkitError
from mtkit.inspection.runs.corpus_statistics import CorpusStatistics, read_corpus_statistics
from mtkit.inspection.runs.overview import format_score
from mtkit.inspection.runs.plots import Chart, Series, chart_svg
from mtkit.inspection.runs.run_record import SHOWN_NAMES, RunRecord, Sample
from mtkit.inspection.runs.settings import changes_from_defaults
from mtkit.io.find_model import WEIGHTS_NAME
from mtkit.io.progress import format_duration
from mtkit.io.safetensors_header import read_header
from mtkit.version import __version__

_MAX_SERIES = 6
_MAX_VERSIONS = 8
"""Number of translations of a sample to show."""
_GENERIC_NAMES = ("run", "work")
_STATES = {
    "complete": "complete",
    "stopped early": "complete; stopped early, as validation.patience was exhausted",
    "incomplete": "not complete",
}


@dataclass(frozen=True)
class SampleVersion:
    """A translation that a sample had at some consecutive steps."""

    steps: str
    hypothesis: str
    is_best: bool
    """Whether the best validation is among these steps."""


@dataclass(frozen=True)
class SampleHistory:
    """A validation pair and its translations in the course of training."""

    src: str
    reference: str
    versions: list[SampleVersion]
    n_versions: int
    """Number of different translations, of which some are shown."""


def report_page(record: RunRecord, checkpoint_samples: Sequence[Sample] = ()) -> str:
    """Return the report of a run as HTML.

    Args:
        record: The run.
        checkpoint_samples: Translations by the kept checkpoints, to be shown too.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["score"] = lambda value, label: (
        "–" if value is None else format_score(label, value)
    )
    environment.filters["yaml"] = lambda value: "unset" if value is None else flow_yaml(value)
    template = files("mtkit.inspection.runs").joinpath("report.html.j2").read_text(encoding="utf-8")
    changed = changes_from_defaults(record.settings)
    corpus, corpus_problem = _corpus(record)
    best_step = (record.info.best or {}).get("step")
    return environment.from_string(template).render(
        version=__version__,
        record=record,
        name=_title(record.path),
        src_lang=record.settings.get("data.src_lang"),
        tgt_lang=record.settings.get("data.tgt_lang"),
        summary=_summary(record),
        score_names=[name for name in SHOWN_NAMES.values() if name in record.scores()],
        validations=_validations(record),
        best_step=best_step,
        charts=[(chart, Markup(chart_svg(chart))) for chart in make_charts(record)],
        samples=sample_histories(record.samples, best_step),
        checkpoint_samples=sample_histories(checkpoint_samples, best_step),
        corpus=corpus,
        corpus_problem=corpus_problem,
        changed=changed,
        unchanged={
            key: value
            for key, value in record.settings.items()
            # Most keys of a corpus are of other formats than its own.
            if key not in changed and not (key.startswith("data.") and value is None)
        },
        session=_session(record),
    )


def _title(path: Path) -> str:
    """Return the name of a run, with its parents if it is just `work/run`."""
    *parents, name = path.resolve().parts
    shown = [name]
    while parents and shown[0] in _GENERIC_NAMES:
        shown.insert(0, parents.pop())
    return "/".join(shown)


def _summary(record: RunRecord) -> list[tuple[str, str]]:
    """Return the most important figures, with their names."""
    info, settings = record.info, record.settings
    rows = []
    if "data.src_lang" in settings:
        rows.append(("Languages", f"{settings['data.src_lang']} to {settings['data.tgt_lang']}"))
    rows.append(("State", _STATES[record.state]))
    if record.step is not None:
        steps = f"{record.step:,}"
        if record.max_steps is not None and record.step < record.max_steps:
            steps += f" of at most {record.max_steps:,}"
        rows.append(("Steps", steps if info.epoch is None else f"{steps}, epoch {info.epoch:,}"))
    if info.best:
        scores = ", ".join(
            f"{shown} {format_score(shown, info.best[name])}"
            for name, shown in SHOWN_NAMES.items()
            if name in info.best
        )
        step = f"step {info.best['step']:,}"
        rows.append(("Best validation", f"{step}: {scores}" if scores else step))
    rows += [
        (f"{score.label}", f"{score.value:.2f} {score.interval}".strip())
        for score in record.test_scores
    ]
    if info.train_s is not None:
        rows.append(("Training time", format_duration(info.train_s)))
    n_parameters = _n_parameters(record)
    if n_parameters is not None:
        rows.append(("Parameters", f"{n_parameters:,}"))
    if info.n_pairs is not None:
        rows.append(("Training pairs", f"{info.n_pairs:,}"))
    rows.append(("Seed", "unknown" if record.seed is None else str(record.seed)))
    return rows


def _n_parameters(record: RunRecord) -> int | None:
    try:
        header = read_header(RunDir(record.path).model_dir / WEIGHTS_NAME)
    except MtkitError:
        return None
    return sum(math.prod(tensor.shape) for tensor in header.tensors.values())


def _validations(record: RunRecord) -> list[dict[str, Any]]:
    """Return step and scores of each validation, by the names in reports."""
    return [
        {"step": line["step"], **{shown: line.get(name) for name, shown in SHOWN_NAMES.items()}}
        for line in record.lines
        if line["kind"] == "validation"
    ]


def make_charts(record: RunRecord) -> list[Chart]:
    """Return the charts of a run; those without points are left out."""
    best_step = (record.info.best or {}).get("step")
    best_step = None if best_step is None else int(best_step)
    nll, smoothed = record.curve("train", "nll"), record.curve("train", "loss")
    losses = [Series("training", nll), *_validation_series(record, "loss")]
    if smoothed != nll:
        losses.append(Series("training, smoothed labels", smoothed))
    one_line = {
        "lr": ("Learning rate", "learning rate", "lr"),
        "norm": ("Gradient norm, before clipping", "gradient norm", "grad_norm"),
        "speed": ("Speed, in target tokens per second", "tokens per second", "tokens_per_s"),
    }
    charts = [
        Chart("loss", "Loss per target token, in nats", losses, best_step, cuts_start=True),
        Chart("bleu", "Validation BLEU", _validation_series(record, "bleu"), best_step),
        Chart("chrf", "Validation chrF", _validation_series(record, "chrf"), best_step),
        *(
            Chart(
                key,
                title,
                [Series(name, record.curve("train", column))],
                is_logarithmic=key == "norm",
            )
            for key, (title, name, column) in one_line.items()
        ),
    ]
    drawn = ((chart, [one for one in chart.series if one.curve]) for chart in charts)
    return [replace(chart, series=series[:_MAX_SERIES]) for chart, series in drawn if series]


def _validation_series(record: RunRecord, name: str) -> list[Series]:
    """Return the validation curve of all corpora, and of each if there are several."""
    kinds = dict.fromkeys(line["kind"] for line in record.lines)
    return [
        Series(kind.replace("/", ", "), record.curve(kind, name))
        for kind in kinds
        if kind.partition("/")[0] == "validation"
    ]


def sample_histories(samples: Sequence[Sample], best_step: float | None) -> list[SampleHistory]:
    """Group samples by their source; equal translations at consecutive steps are one version."""
    by_pair: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        by_pair.setdefault((sample.src, sample.reference), []).append(sample)
    histories = []
    for (src, reference), translations in by_pair.items():
        versions = []
        for hypothesis, equal in groupby(translations, key=lambda sample: sample.hypothesis):
            steps = [sample.step for sample in equal]
            shown = f"{steps[0]:,}" + (f" to {steps[-1]:,}" if len(steps) > 1 else "")
            versions.append(SampleVersion(shown, hypothesis, best_step in steps))
        histories.append(SampleHistory(src, reference, _some(versions), len(versions)))
    return histories


def _some(versions: list[SampleVersion]) -> list[SampleVersion]:
    """Return the first, the best, the last and some evenly spaced versions between them."""
    n = len(versions)
    if n <= _MAX_VERSIONS:
        return versions
    n_spaced = _MAX_VERSIONS - 1
    chosen = {round(i * (n - 1) / (n_spaced - 1)) for i in range(n_spaced)}
    chosen |= {i for i, version in enumerate(versions) if version.is_best}
    return [versions[i] for i in sorted(chosen)]


def _corpus(record: RunRecord) -> tuple[CorpusStatistics | None, str]:
    """Return the statistics of the training corpus, or the reason why there are none."""
    work_dir = record.settings.get("data.work_dir")
    if not isinstance(work_dir, str):
        return None, "the recipe of the run cannot be read"
    try:
        key = record.signatures.get("training data")
        return read_corpus_statistics(Path(work_dir) / "store", key), ""
    except MtkitError as exc:
        return None, exc.message


def _session(record: RunRecord) -> list[tuple[str, str]]:
    """Return program and machine of the last start of the training."""
    if not record.sessions:
        return []
    values = record.sessions[-1]
    commit, changes, _ = str(values.get("commit", "")).partition("+changes")
    rows = {
        "mtkit": values.get("mtkit"),
        "Commit": f"{commit}, with local changes" if changes else commit,
        "PyTorch": values.get("torch"),
        "Python": values.get("python"),
        "Device": values.get("gpu") or values.get("device"),
        "Precision": values.get("precision"),
        "Processes": values.get("n_processes"),
        "Threads": values.get("n_threads"),
        "Processor": values.get("processor"),
        "Cores": values.get("n_cores"),
        "Memory": f"{values['memory_gb']:g} GB" if values.get("memory_gb") else None,
        "System": values.get("system"),
    }
    return [(name, str(value) if value else "not recorded") for name, value in rows.items()]

"""`mtkit compare`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from mtkit.cli.common.evaluation_options import (
    TESTS,
    EvaluatedModelOptions,
    EvaluationDeviceOptions,
    Metric,
    MetricOptions,
    choose_tokenizer,
    load_metrics,
    read_references,
    read_translations,
    system_name,
    warn_of_texts,
)
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import TagOptions
from mtkit.cli.common.search_options import SearchOptions

if TYPE_CHECKING:
    from mtkit.evaluation.buckets import Bucket
    from mtkit.evaluation.comparison import Comparison, System
    from mtkit.evaluation.comparison_report import Report

ANALYSIS = "Analysis"


@option_group()
class SystemOptions:
    """Systems to compare, and the test set."""

    reference_paths: Annotated[list[Path], typer.Option("--reference", "-r", metavar="FILE")]
    """Reference translation, one segment per line; repeatable. Where one of several has a blank
    line, the segment has fewer references."""
    hypotheses: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=]FILE[,FILE]...", show_default=False)
    ] = None
    """Translations of each system; the first system is the baseline. Several files of one system,
    such as those of several seeds, are separated by commas."""
    models: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="[NAME=]DIR[,DIR]...")
    ] = None
    """In place of files: translate --src with the models of a system; repeat it for each system."""
    src_path: Annotated[Path | None, typer.Option("--src", "-s", metavar="FILE")] = None
    """Source text; with files of translations, it is used to find faults."""


@option_group()
class ComparisonOptions(MetricOptions):
    """Metrics and tests."""

    metrics: Annotated[
        list[Metric] | None, typer.Option("--metric", show_default="bleu and chrf")
    ] = None
    """Metric; for ter, lower is better; repeatable."""
    test: Annotated[Literal["ar", "bs"], typer.Option(rich_help_panel=TESTS)] = "ar"
    """Test of significance: paired approximate randomization (ar) or paired bootstrap (bs)."""
    n_trials: Annotated[
        int, typer.Option("--trials", min=1, metavar="N", rich_help_panel=TESTS)
    ] = 10_000
    """Trials of approximate randomization."""


@option_group(ANALYSIS)
class AnalysisOptions:
    """Analysis of the differences."""

    by_length: Annotated[bool, typer.Option("--by-length")] = False
    """Also score quarters of the test set by the length of the source (else of the reference)."""
    label_path: Annotated[Path | None, typer.Option("--by-label", metavar="FILE")] = None
    """Also score the segments of each label: a file with a label in each line."""
    corpus_path: Annotated[Path | None, typer.Option("--by-frequency", metavar="PATH")] = None
    """Also score words by their frequency in a training corpus: a text file, or the `store`
    directory of `mtkit preprocess`."""
    n_examples: Annotated[int, typer.Option("--examples", min=0, metavar="N")] = 0
    """Show the segments in which each system differs most from the baseline."""


@takes_option_groups
def compare(
    inputs: SystemOptions,
    options: ComparisonOptions,
    analysis: AnalysisOptions,
    tags: TagOptions,
    devices: EvaluationDeviceOptions,
    search: SearchOptions,
) -> None:
    """Compare systems: scores, significance, faults, differences.

    Each difference comes with its confidence interval and a p-value, corrected for the number of
    pairs if there are more than two systems. All files are plain text, not tokenized.

    Examples:
        mtkit compare old.en new.en -r reference.en -s test.de
        mtkit compare -m old/model -m new/model -s test.de -r reference.en
        mtkit compare base=b1.en,b2.en new=n1.en,n2.en -r ref.en
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.evaluation.comparison import compare_systems
    from mtkit.evaluation.comparison_report import to_json, to_tables
    from mtkit.evaluation.resampling import Resampling
    from mtkit.evaluation.scorer_command import parse_scorers
    from mtkit.evaluation.segment_differences import segment_table
    from mtkit.io.text import write_lines

    model_options = EvaluatedModelOptions(tags, devices, search)
    _check_options(inputs, model_options)
    options.refuse_two_formats()
    paths = _parse_systems(inputs.models or inputs.hypotheses or [])
    refuse_overwriting(
        [options.segment_scores_path],
        [
            *inputs.reference_paths,
            *(path for of_system in paths.values() for path in of_system),
            *(inputs.src_path, analysis.label_path, analysis.corpus_path),
        ],
    )
    names = [str(metric) for metric in options.metrics or [Metric.bleu, Metric.chrf]]
    scorers, tokenize = parse_scorers(options.scorers or []), choose_tokenizer(options, names)
    test_set = _read_test_set(inputs, analysis)
    if inputs.models:
        systems, lang = _translate_systems(paths, test_set, model_options)
        tokenize = tokenize or choose_tokenizer(options, names, lang)
    else:
        systems, lang = _read_systems(paths, test_set), ""
    warn_of_texts(_name_outputs(systems), test_set.references, names, tokenize)
    comparison = compare_systems(
        systems,
        load_metrics(scorers, names, systems, test_set.references, test_set.src, tokenize),
        Resampling(options.n_bootstrap, options.test, options.n_trials, options.resampling_seed),
    )
    if options.segment_scores_path is not None:
        write_lines(options.segment_scores_path, segment_table(comparison))
    report = _analyse(comparison, test_set, analysis, options.lang or lang)
    print(to_json(report) if options.as_json else to_tables(report, options.form))


class _TestSet(NamedTuple):
    references: list[list[str]]
    src: list[str] | None
    labels: list[str] | None
    frequencies: Counter[str] | None
    """Frequencies of words in the training corpus."""


def _check_options(inputs: SystemOptions, model_options: EvaluatedModelOptions) -> None:
    if bool(inputs.hypotheses) == bool(inputs.models):
        raise typer.BadParameter("give either files of translations, or --model with --src")
    if inputs.models and inputs.src_path is None:
        raise typer.BadParameter("--model needs --src")
    if not inputs.models:
        model_options.refuse_without_model()


def _parse_systems(texts: list[str]) -> dict[str, list[Path]]:
    """Parse `FILE`, `FILE,FILE` and `NAME=FILE,FILE`; returns the paths of each system."""
    from mtkit.io.paths import is_path

    systems: list[tuple[str, list[Path]]] = []
    for text in texts:
        # An existing file may have = or , in its name.
        name, _, rest = ("", "", text) if is_path(text) else text.rpartition("=")
        parts = [rest] if rest and is_path(rest) else rest.split(",")
        if not all(parts):
            raise typer.BadParameter(f"{text} has an empty path; write [NAME=]FILE[,FILE]...")
        paths = [Path(part) for part in parts]
        systems.append((name or system_name(paths[0]), paths))
    names = [name for name, _ in systems]
    if len(set(names)) < len(names):
        systems = [(text, paths) for text, (_, paths) in zip(texts, systems, strict=True)]
    if repeated := next((text for text in texts if texts.count(text) > 1), None):
        raise typer.BadParameter(f"{repeated} is given twice")
    return dict(systems)


def _read_test_set(inputs: SystemOptions, analysis: AnalysisOptions) -> _TestSet:
    from mtkit.evaluation.metrics import check_counts
    from mtkit.evaluation.training_words import count_training_words
    from mtkit.evaluation.words import has_spaces
    from mtkit.io.paths import display_name
    from mtkit.io.text import read_lines

    def read(path: Path | None, what: str) -> list[str] | None:
        if path is None:
            return None
        lines = list(read_lines(path, what=what))
        check_counts(len(lines), references, f"lines in `{display_name(path)}`")
        return lines

    references = read_references(inputs.reference_paths)
    frequencies = None
    if analysis.corpus_path is not None:
        frequencies = count_training_words(analysis.corpus_path, spaces=has_spaces(references[0]))
    return _TestSet(
        references,
        read(inputs.src_path, "the source text"),
        read(analysis.label_path, "the labels"),
        frequencies,
    )


def _read_systems(paths: dict[str, list[Path]], test_set: _TestSet) -> "list[System]":
    from mtkit.evaluation.comparison import System
    from mtkit.evaluation.metrics import check_counts
    from mtkit.io.paths import display_name

    systems = []
    for name, of_runs in paths.items():
        runs = [read_translations(path) for path in of_runs]
        for path, run in zip(of_runs, runs, strict=True):
            check_counts(len(run), test_set.references, f"translations in `{display_name(path)}`")
        systems.append(System(name, runs))
    return systems


def _translate_systems(
    paths: dict[str, list[Path]], test_set: _TestSet, model_options: EvaluatedModelOptions
) -> "tuple[list[System], str]":
    """Translate the test set with all models; returns the systems and the target language."""
    from mtkit.evaluation.comparison import System
    from mtkit.io.find_model import refuse_no_model

    assert test_set.src is not None
    for model_dirs in paths.values():
        for model_dir in model_dirs:
            refuse_no_model(model_dir)
    systems, lang = [], ""
    for name, model_dirs in paths.items():
        runs = []
        for model_dir in model_dirs:
            translator = model_options.load([model_dir])
            runs.append(model_options.translate(translator, test_set.src))
            lang = translator.config.tgt_lang
        systems.append(System(name, runs))
    return systems, lang


def _name_outputs(systems: "list[System]") -> dict[str, Sequence[str]]:
    return {
        f"the translations of {system.name}" + (f" (run {i})" if len(system.runs) > 1 else ""): run
        for system in systems
        for i, run in enumerate(system.runs, 1)
    }


def _analyse(
    comparison: "Comparison", test_set: _TestSet, analysis: AnalysisOptions, lang: str
) -> "Report":
    from mtkit.evaluation.buckets import length_labels, score_buckets, score_words
    from mtkit.evaluation.comparison_report import Report
    from mtkit.evaluation.faults import count_faults
    from mtkit.evaluation.segment_differences import largest_differences

    references, src, labels, frequencies = test_set
    results = comparison.systems
    systems = [result.system for result in results]
    buckets: dict[str, list[Bucket]] = {}
    if analysis.by_length:
        title = f"By length of the {'reference' if src is None else 'source'}"
        buckets[title] = score_buckets(comparison, length_labels(src or references[0]))
    if labels is not None:
        buckets[f"By label of `{analysis.label_path}`"] = score_buckets(comparison, labels)
    if frequencies is not None:
        title = f"Words by their frequency in `{analysis.corpus_path}`"
        buckets[title] = score_words(systems, references[0], frequencies)
    return Report(
        comparison,
        references,
        src,
        count_faults(systems, references, src, lang),
        buckets,
        {
            (systems[0].name, result.system.name): largest_differences(
                comparison, results[0], result, analysis.n_examples
            )
            for result in results[1:]
        },
    )

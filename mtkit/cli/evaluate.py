"""`mtkit evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.common.evaluation_options import (
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
    from mtkit.evaluation.comparison import Comparison
    from mtkit.evaluation.corpus_metric import CorpusMetric
    from mtkit.evaluation.score import Scores
    from mtkit.translation.translator import Translator


TERMS = "Terms"
"""Title of a group of options."""


@option_group()
class InputOptions:
    """Translations to score, or a model and a text to translate."""

    reference_paths: Annotated[list[Path], typer.Option("--reference", "-r", metavar="FILE")]
    """Reference translation, one segment per line; repeatable."""
    hypothesis_path: Annotated[Path | None, typer.Argument(metavar="FILE")] = None
    """Translations to evaluate; - is stdin."""
    model_dirs: Annotated[list[Path] | None, typer.Option("--model", "-m", metavar="DIR")] = None
    """In place of FILE: translate --src with this model; repeat it for an ensemble."""
    src_path: Annotated[Path | None, typer.Option("--src", "-s", metavar="FILE")] = None
    """Source text for --model, --scorer or --terms."""


@option_group()
class EvaluationOptions(MetricOptions):
    """Metrics and test sets."""

    metrics: Annotated[list[Metric] | None, typer.Option("--metric", show_default="bleu")] = None
    """Metric; for ter, lower is better; repeatable."""
    robustness: Annotated[bool, typer.Option("--robustness")] = False
    """With --model: also evaluate with capitals, typos and other noise in the source (see
    `augment:`)."""
    terms_path: Annotated[
        Path | None, typer.Option("--terms", metavar="FILE", rich_help_panel=TERMS)
    ] = None
    """Also count how many of these terms in --src are translated as the file says."""
    documents_path: Annotated[
        Path | None, typer.Option("--documents", metavar="FILE", rich_help_panel=TERMS)
    ] = None
    """For --terms: file whose line N names the document of line N."""


@takes_option_groups
def evaluate(
    inputs: InputOptions,
    options: EvaluationOptions,
    tags: TagOptions,
    devices: EvaluationDeviceOptions,
    search: SearchOptions,
) -> None:
    """Compute BLEU, chrF or TER of translations, or of a model.

    Each score comes with its sacreBLEU signature and a confidence interval. All files are plain
    text, not tokenized. `mtkit compare` compares several systems.

    Examples:
        mtkit evaluate new.en -r reference.en
        mtkit evaluate -m de-en/work/run/model -s test.de -r test.en --metric chrf
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.evaluation.comparison import System, compare_systems
    from mtkit.evaluation.metrics import check_counts
    from mtkit.evaluation.report import to_json
    from mtkit.evaluation.resampling import Resampling
    from mtkit.evaluation.scorer_command import parse_scorers
    from mtkit.evaluation.segment_differences import segment_table
    from mtkit.io.logs import get_logger
    from mtkit.io.paths import display_name
    from mtkit.io.text import read_lines, write_lines

    model_options = EvaluatedModelOptions(tags, devices, search)
    _check_options(inputs, options, model_options)
    options.refuse_two_formats()
    model_dirs = inputs.model_dirs or []
    further = [inputs.hypothesis_path, inputs.src_path, options.terms_path, options.documents_path]
    refuse_overwriting(
        [options.segment_scores_path], [*inputs.reference_paths, *further, *model_dirs]
    )
    names = [str(metric) for metric in options.metrics or [Metric.bleu]]
    scorers, tokenize = parse_scorers(options.scorers or []), choose_tokenizer(options, names)
    references = read_references(inputs.reference_paths)
    langs: tuple[str, str] = ("", options.lang or "")
    src = inputs.src_path and list(read_lines(inputs.src_path, what="the source text"))
    if inputs.hypothesis_path is not None:
        hypotheses = read_translations(inputs.hypothesis_path)
        check_counts(
            len(hypotheses), references, f"translations in `{display_name(inputs.hypothesis_path)}`"
        )
        if src is not None and inputs.src_path is not None:
            check_counts(len(src), references, f"lines in `{display_name(inputs.src_path)}`")
    else:
        assert src is not None
        check_counts(len(src), references, "lines to translate")
        if len(model_dirs) > 1:
            get_logger(__name__).info(
                "an ensemble of %d models; `mtkit compare` evaluates each", len(model_dirs)
            )
        translator = model_options.load(model_dirs)
        if options.terms_path is not None:
            langs = translator.config.src_lang, options.lang or translator.config.tgt_lang
        tokenize = tokenize or choose_tokenizer(options, names, translator.config.tgt_lang)
        if options.robustness:
            texts = src, references
            print(_measure_robustness(translator, texts, names, tokenize, model_options, options))
            return
        hypotheses = model_options.translate(translator, src)
    warn_of_texts({"the translations": hypotheses}, references, names, tokenize)
    paths = model_dirs or [inputs.hypothesis_path or Path()]
    system = System(" + ".join(map(system_name, paths)), [hypotheses])
    metrics = load_metrics(scorers, names, [system], references, src, tokenize)
    if src is not None and options.terms_path is not None:
        metrics |= _term_metrics(options, src, references, langs)
    comparison = compare_systems(
        [system],
        metrics,
        Resampling(n_bootstrap=options.n_bootstrap, seed=options.resampling_seed),
    )
    if options.segment_scores_path is not None:
        write_lines(options.segment_scores_path, segment_table(comparison))
    if options.as_json:
        print(to_json(_scores(comparison, references), _describe_inputs(inputs, model_options)))
    else:
        print(_report(comparison, references, options))


def _report(
    comparison: "Comparison", references: list[list[str]], options: EvaluationOptions
) -> str:
    from mtkit.evaluation.comparison_report import Report, to_tables
    from mtkit.evaluation.report import to_text

    if options.form != "text":
        return to_tables(Report(comparison, references), options.form)
    return to_text(_scores(comparison, references))


def _term_metrics(
    options: EvaluationOptions,
    src: list[str],
    references: list[list[str]],
    langs: tuple[str, str],
) -> "dict[str, CorpusMetric]":
    from mtkit.corpus.terms.term_list import TermList
    from mtkit.evaluation.term_metrics import term_metrics
    from mtkit.io.text import read_lines

    assert options.terms_path is not None
    path = options.documents_path
    documents = [] if path is None else list(read_lines(path, what="the documents"))
    return term_metrics(TermList.load(options.terms_path), src, references, langs, documents)


def _scores(comparison: "Comparison", references: list[list[str]]) -> "Scores":
    from mtkit.evaluation.score import Scores

    by_metric = {key: runs.score for key, runs in comparison.systems[0].scores.items()}
    return Scores(by_metric, len(references[0]))


def _describe_inputs(inputs: InputOptions, model_options: EvaluatedModelOptions) -> dict[str, Any]:
    """Return what was evaluated, so that scores are not taken for those of another model."""
    from mtkit.io.find_model import weights_path
    from mtkit.io.paths import display_name
    from mtkit.io.text import sha256_file

    return {
        "references": list(map(display_name, inputs.reference_paths)),
        "src": inputs.src_path and display_name(inputs.src_path),
        "translations": inputs.hypothesis_path and display_name(inputs.hypothesis_path),
        "models": [
            {"path": str(path), "weights_sha256": sha256_file(weights_path(path))}
            for path in inputs.model_dirs or []
        ],
        "search": model_options.search,
    }


def _check_options(
    inputs: InputOptions, options: EvaluationOptions, model_options: EvaluatedModelOptions
) -> None:
    from mtkit.cli.common.corpus_arguments import refuse_other_order_than

    if (inputs.hypothesis_path is None) == (not inputs.model_dirs):
        raise typer.BadParameter("give either a file of translations, or --model with --src")
    if inputs.model_dirs and inputs.src_path is None:
        raise typer.BadParameter("--model needs --src")
    if inputs.src_path is not None and not (
        inputs.model_dirs or options.scorers or options.terms_path
    ):
        raise typer.BadParameter("--src is for --model, --scorer or --terms")
    if options.terms_path is not None and inputs.src_path is None:
        raise typer.BadParameter("--terms needs --src")
    if options.documents_path is not None and options.terms_path is None:
        raise typer.BadParameter("--documents is for --terms")
    if options.robustness:
        others = {
            "--scorer": options.scorers,
            "--segment-scores": options.segment_scores_path,
            "--terms": options.terms_path,
        }
        if given := [name for name, value in others.items() if value]:
            raise typer.BadParameter(f"{given[0]} does not go with --robustness")
    if not inputs.model_dirs:
        model_options.refuse_without_model(robustness=options.robustness)
    for path in inputs.model_dirs or []:
        assert inputs.src_path is not None
        refuse_other_order_than(path, [inputs.src_path, inputs.reference_paths[0]])


def _measure_robustness(
    translator: "Translator",
    test_set: tuple[list[str], list[list[str]]],
    names: list[str],
    tokenize: str | None,
    model_options: EvaluatedModelOptions,
    options: EvaluationOptions,
) -> str:
    from mtkit.corpus.augment.altered_sets import alter_test_set
    from mtkit.evaluation.report import robustness_to_json, robustness_to_tables
    from mtkit.evaluation.robustness import evaluate_robustness

    config = translator.config
    langs = (config.src_lang, config.tgt_lang)
    result = evaluate_robustness(
        lambda lines: model_options.translate(translator, lines),
        *test_set,
        alter_test_set(*test_set, langs, config.tags),
        names,
        tokenize,
    )
    if options.as_json:
        return robustness_to_json(*result)
    return robustness_to_tables(*result, options.form)

"""`mtkit evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DEVICES, DeviceOptions, EngineOption, TagOptions
from mtkit.cli.common.search_options import SearchOptions, option_name

if TYPE_CHECKING:
    from mtkit.translation.translator import Translator


class Metric(StrEnum):
    """Metrics on the command line."""

    bleu = "bleu"
    chrf = "chrf"
    ter = "ter"


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
    """Source text for --model."""


@option_group()
class MetricOptions:
    """Metrics, test sets and output format."""

    metrics: Annotated[list[Metric] | None, typer.Option("--metric", show_default="bleu")] = None
    """Metric; for ter, lower is better; repeatable."""
    tokenize: Annotated[str | None, typer.Option(metavar="NAME", show_default="13a")] = None
    """Tokenizer of BLEU: 13a, intl, char, zh, ja-mecab, ko-mecab, flores200."""
    robustness: Annotated[bool, typer.Option("--robustness")] = False
    """With --model: also evaluate with capitals, typos and other noise in the source (see
    `augment:`)."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print JSON."""


@option_group(DEVICES)
class EvaluationDeviceOptions(DeviceOptions):
    """Engine, device and precision."""

    engine: EngineOption = "auto"


@takes_option_groups
def evaluate(
    inputs: InputOptions,
    metrics: MetricOptions,
    tags: TagOptions,
    devices: EvaluationDeviceOptions,
    search: SearchOptions,
) -> None:
    """Compute BLEU, chrF or TER of translations, or of a model.

    Each score comes with its sacreBLEU signature. All files are plain text, not tokenized.

    Examples:
        mtkit evaluate new.en -r reference.en
        mtkit evaluate -m de-en/work/run/model -s test.de -r test.en --metric chrf
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.evaluation.metrics import check_counts, make_scorers
    from mtkit.evaluation.metrics import evaluate as compute_scores
    from mtkit.evaluation.report import to_json, to_text
    from mtkit.io.text import read_lines

    _check_options(inputs, metrics, tags, devices, search)
    model_dirs = inputs.model_dirs or []
    refuse_overwriting(
        [], [*inputs.reference_paths, inputs.hypothesis_path, inputs.src_path, *model_dirs]
    )
    names, tokenize = metrics.metrics or [Metric.bleu], metrics.tokenize
    make_scorers(names, tokenize)
    references = [list(read_lines(path, what="the references")) for path in inputs.reference_paths]
    if inputs.src_path is None:
        assert inputs.hypothesis_path is not None
        hypotheses = list(read_lines(inputs.hypothesis_path, what="the translations"))
    else:
        src = list(read_lines(inputs.src_path, what="the source text"))
        check_counts(len(src), references, "lines to translate")
        translator = _load(model_dirs, tags, devices)
        if metrics.robustness:
            print(_measure_robustness(translator, src, references, metrics, search))
            return
        hypotheses = _translate(translator, src, search)
    scores = compute_scores(hypotheses, references, names, tokenize)
    print(to_json(scores) if metrics.as_json else to_text(scores))


def _check_options(
    inputs: InputOptions,
    metrics: MetricOptions,
    tags: TagOptions,
    devices: EvaluationDeviceOptions,
    search: dict[str, Any],
) -> None:
    if (inputs.hypothesis_path is None) == (not inputs.model_dirs):
        raise typer.BadParameter("give either a file of translations, or --model with --src")
    if bool(inputs.model_dirs) != (inputs.src_path is not None):
        raise typer.BadParameter("--model and --src go together")
    if inputs.model_dirs:
        return
    options = {
        "--robustness": metrics.robustness,
        "--tag": tags.tags,
        "--tgt-tag": tags.tgt_tags,
        "--engine": devices.engine != "auto",
        "--device": devices.device != "auto",
        "--workers": devices.workers,
        "--precision": devices.precision != "auto",
        **{option_name(field): True for field in search},
    }
    if given := [name for name, value in options.items() if value]:
        raise typer.BadParameter(
            f"{', '.join(given)}: only with --model, since nothing is translated here"
        )


def _load(
    model_dirs: list[Path], tags: TagOptions, devices: EvaluationDeviceOptions
) -> "Translator":
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.io.find_model import refuse_no_model

    for model_dir in model_dirs:
        refuse_no_model(model_dir)
    from mtkit.engines.choose import choose_engine

    options: dict[str, Any] = {
        "device": devices.device,
        "precision": devices.precision,
        "n_workers": devices.workers,
        "tags": tags.tags or (),
        "tgt_tags": tags.tgt_tags or (),
    }
    if choose_engine(devices.engine, model_dirs) == "ctranslate2":
        from mtkit.translation.exported import load_exported_translator

        return load_exported_translator(model_dirs, **options)
    from mtkit.translation.translator import Translator

    return Translator.load(model_dirs, **options)


def _translate(translator: "Translator", lines: list[str], search: dict[str, Any]) -> list[str]:
    from mtkit.io.progress import progress

    with progress("Translating", len(lines)) as bar:
        translations = translator.stream(lines, on_lines=bar.advance, **search)
        return [translation.text for translation in translations]


def _measure_robustness(
    translator: "Translator",
    src: list[str],
    references: list[list[str]],
    metrics: MetricOptions,
    search: dict[str, Any],
) -> str:
    from mtkit.corpus.augment.altered_sets import alter_test_set
    from mtkit.evaluation.report import robustness_to_json, robustness_to_text
    from mtkit.evaluation.robustness import evaluate_robustness

    config = translator.config
    langs = (config.src_lang, config.tgt_lang)
    result = evaluate_robustness(
        lambda lines: _translate(translator, lines, search),
        src,
        references,
        alter_test_set(src, references, langs, config.tags),
        metrics.metrics or [Metric.bleu],
        metrics.tokenize,
    )
    return robustness_to_json(*result) if metrics.as_json else robustness_to_text(*result)

"""Options and steps that `mtkit evaluate` and `mtkit compare` share."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from mtkit.cli.common.option_groups import option_group
from mtkit.cli.common.options import (
    DEVICES,
    CompiledOption,
    DeviceOptions,
    EngineOption,
    TagOptions,
)
from mtkit.cli.common.search_options import option_name

if TYPE_CHECKING:
    from mtkit.evaluation.comparison import System
    from mtkit.evaluation.corpus_metric import CorpusMetric
    from mtkit.evaluation.scorer_command import ScorerSpec
    from mtkit.translation.translator import Translator


TESTS = "Intervals and significance"
"""Title of a group of options."""


class Metric(StrEnum):
    """Metrics on the command line."""

    bleu = "bleu"
    chrf = "chrf"
    ter = "ter"
    chrf_pp = "chrf++"


@option_group()
class MetricOptions:
    """Metrics and their settings."""

    tokenize: Annotated[
        str | None, typer.Option(metavar="NAME", show_default="that of --lang, else 13a")
    ] = None
    """Tokenizer of BLEU: 13a, intl, char, zh, ja-mecab, ko-mecab, flores101, flores200."""
    lang: Annotated[str | None, typer.Option(metavar="CODE", show_default="the model's")] = None
    """Target language, such as ko; it selects the tokenizer of BLEU."""
    n_bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, metavar="N", rich_help_panel=TESTS)
    ] = 1000
    """Resamples for 95 % confidence intervals."""
    resampling_seed: Annotated[int, typer.Option(min=0, metavar="N", rich_help_panel=TESTS)] = 12345
    """Seed of resampling; the default is that of sacreBLEU."""
    scorers: Annotated[
        list[str] | None, typer.Option("--scorer", metavar="NAME:higher|lower:COMMAND")
    ] = None
    """Also score with another program: its name, whether higher or lower is better, and the command
    (see docs/guides/comparing-systems.md); repeatable."""
    segment_scores_path: Annotated[
        Path | None, typer.Option("--segment-scores", metavar="FILE")
    ] = None
    """File for the scores of each segment, as a table with TABs."""
    form: Annotated[Literal["text", "markdown", "latex"], typer.Option("--format")] = "text"
    """Format of the output."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print JSON."""

    def refuse_two_formats(self) -> None:
        """Refuse --format with --json.

        Raises:
            typer.BadParameter: Both were given.
        """
        if self.as_json and self.form != "text":
            raise typer.BadParameter("--json has no tables to format; leave out --format or --json")


@option_group(DEVICES)
class EvaluationDeviceOptions(DeviceOptions):
    """Engine, device and precision."""

    engine: EngineOption = "auto"
    compiled: CompiledOption = False


class EvaluatedModelOptions(NamedTuple):
    """Options of a model whose translations are evaluated."""

    tags: TagOptions
    devices: EvaluationDeviceOptions
    search: dict[str, Any]

    def refuse_without_model(self, **others: object) -> None:
        """Refuse options that need a model.

        Args:
            others: Further options, by name, and whether they were given.
        Raises:
            typer.BadParameter: One of them was given.
        """
        options = {
            **{f"--{name}": value for name, value in others.items()},
            "--tag": self.tags.tags,
            "--src-lang": self.tags.src_lang,
            "--tgt-lang": self.tags.tgt_lang,
            "--tgt-tag": self.tags.tgt_tags,
            "--engine": self.devices.engine != "auto",
            "--device": self.devices.device != "auto",
            "--workers": self.devices.workers,
            "--precision": self.devices.precision != "auto",
            "--compiled": self.devices.compiled,
            **{option_name(field): True for field in self.search},
        }
        if given := [name for name, value in options.items() if value]:
            raise typer.BadParameter(
                f"{', '.join(given)}: only with --model, since nothing is translated here"
            )

    def load(self, model_dirs: list[Path]) -> "Translator":
        """Load a model, or several as an ensemble."""
        # torch takes seconds to load, which a mistyped path should not wait for.
        from mtkit.io.find_model import refuse_no_model

        for model_dir in model_dirs:
            refuse_no_model(model_dir)
        from mtkit.engines.choose import choose_engine

        options: dict[str, Any] = {
            "device": self.devices.device,
            "precision": self.devices.precision,
            "n_workers": self.devices.workers,
            "compiled": self.devices.compiled,
            **self.tags.load_arguments(model_dirs),
        }
        if choose_engine(self.devices.engine, model_dirs) == "ctranslate2":
            from mtkit.translation.exported import load_exported_translator

            return load_exported_translator(model_dirs, **options)
        from mtkit.translation.translator import Translator

        return Translator.load(model_dirs, **options)

    def translate(self, translator: "Translator", lines: list[str]) -> list[str]:
        """Translate lines with the search settings, and show the progress."""
        from mtkit.io.progress import progress

        options = self.search
        if n := translator.config.context:
            from mtkit.translation.context import sliding_contexts

            options = {**options, "contexts": sliding_contexts(lines, n)}
        with progress("Translating", len(lines)) as bar:
            translations = translator.stream(lines, on_lines=bar.advance, **options)
            return [translation.text for translation in translations]


def system_name(path: Path) -> str:
    """Return the name of a system in tables, by its file of translations or its model directory."""
    from mtkit.io.paths import display_name

    is_model = path.is_dir() and path.name == "model" and path.parent.name
    return path.parent.name if is_model else Path(display_name(path)).stem


def read_translations(path: Path) -> list[str]:
    """Read a file of translations.

    Raises:
        MtkitError: It cannot be read; for a model or a training run, the hint is to translate with
            it.
    """
    from mtkit.errors import MtkitError
    from mtkit.io.find_model import is_model_dir
    from mtkit.io.text import read_lines

    models = [path, path / "model"] if path.is_dir() else []
    if model := next(filter(is_model_dir, models), None):
        raise MtkitError(
            f"`{path}`: is a {'model' if model == path else 'training run'}, not translations",
            f"to translate with it: -m {model} --src FILE",
        )
    return list(read_lines(path, what="the translations"))


def read_references(paths: list[Path]) -> list[list[str]]:
    """Read files of references."""
    from mtkit.io.text import read_lines

    return [list(read_lines(path, what="the references")) for path in paths]


def choose_tokenizer(options: MetricOptions, names: list[str], lang: str = "") -> str | None:
    """Return the tokenizer of BLEU: the given one, or that of the language, which is logged.

    Args:
        options: Options of the command.
        names: The metrics.
        lang: Target language of the model, for which --lang has priority.
    Raises:
        MtkitError: The tokenizer is not available, or it is given without BLEU.
    """
    from mtkit.evaluation.bleu_tokenizers import DEFAULT_TOKENIZE, tokenizer_of_language
    from mtkit.evaluation.metrics import check_metrics
    from mtkit.io.logs import get_logger

    tokenize, lang = options.tokenize, options.lang or lang
    if tokenize is None and lang and "bleu" in names:
        tokenize = tokenizer_of_language(lang)
        if options.lang or tokenize != DEFAULT_TOKENIZE:
            get_logger(__name__).info("tokenizer of BLEU for %s: %s", lang, tokenize)
    check_metrics(names, tokenize)
    return tokenize


def warn_of_texts(
    outputs: Mapping[str, Sequence[str]],
    references: list[list[str]],
    names: list[str],
    tokenize: str | None,
) -> None:
    """Log warnings about texts whose scores would be misleading.

    Args:
        outputs: The translations of each system, by the words that name them in a warning.
        references: One list or several.
        names: The metrics.
        tokenize: Tokenizer of BLEU; None is the default.
    """
    from mtkit.evaluation.metrics import finds_words
    from mtkit.evaluation.plausibility import warn_of_implausible_text, warn_of_wrong_files

    warn_of_wrong_files(outputs, references)
    warn_of_implausible_text(outputs, references, words_by_spaces=finds_words(names, tokenize))


def load_metrics(
    scorers: "list[ScorerSpec]",
    names: list[str],
    systems: "list[System]",
    references: list[list[str]],
    src: list[str] | None,
    tokenize: str | None,
) -> "dict[str, CorpusMetric]":
    """Return the metrics by name, those of other programs among them.

    Raises:
        MtkitError: A program fails.
    """
    from mtkit.evaluation.corpus_metric import sacrebleu_metrics
    from mtkit.evaluation.scorer_command import ScorerMetric

    metrics = sacrebleu_metrics(names, references, tokenize)
    for spec in scorers:
        metrics[spec.name] = ScorerMetric(spec, systems, src, references)
    return metrics

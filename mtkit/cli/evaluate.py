"""`mtkit evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mtkit.cli.common.option_groups import takes_option_groups
from mtkit.cli.common.options import (
    DeviceOption,
    EngineOption,
    PrecisionOption,
    TagsOption,
    TgtTagsOption,
    WorkersOption,
)
from mtkit.cli.common.search_options import SearchOptions

if TYPE_CHECKING:
    from mtkit.translation.translator import Translator


class Metric(StrEnum):
    """The metrics, as the command line knows them."""

    bleu = "bleu"
    chrf = "chrf"
    ter = "ter"


@takes_option_groups
def evaluate(
    reference_paths: Annotated[
        list[Path],
        typer.Option(
            "--reference",
            "-r",
            metavar="FILE",
            help="Reference translation, one segment per line; repeatable",
        ),
    ],
    hypothesis_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Translations to evaluate; - is stdin", show_default=False
        ),
    ] = None,
    model_dirs: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="DIR",
            help="In place of FILE: translate --src with this model; repeat it for an ensemble",
        ),
    ] = None,
    src_path: Annotated[
        Path | None, typer.Option("--src", "-s", metavar="FILE", help="Source text for --model")
    ] = None,
    metrics: Annotated[
        list[Metric] | None,
        typer.Option(
            "--metric", help="Metric; for ter, lower is better; repeatable", show_default="bleu"
        ),
    ] = None,
    tokenize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Tokenizer of BLEU: 13a, intl, char, zh, ja-mecab, ko-mecab, flores200",
            show_default="13a",
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="With --model: also evaluate with capitals, typos and other noise in the source (see `augment:`)",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    tags: TagsOption = None,
    tgt_tags: TgtTagsOption = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    precision: PrecisionOption = "auto",
    *,
    search: SearchOptions,
) -> None:
    """Compute BLEU, chrF or TER of translations, or of a model.

    Each score comes with its sacreBLEU signature. All files are plain text as people write it, not tokenised.

    Examples:
        mtkit evaluate new.en -r reference.en
        mtkit evaluate -m de-en/work/run/model -s test.de -r test.en --metric chrf
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.evaluation.metrics import check_counts, make_scorers
    from mtkit.evaluation.metrics import evaluate as score
    from mtkit.evaluation.report import to_json, to_text
    from mtkit.io.text import read_lines

    if (hypothesis_path is None) == (not model_dirs):
        raise typer.BadParameter("give either a file of translations, or --model with --src")
    if bool(model_dirs) != (src_path is not None):
        raise typer.BadParameter("--model and --src go together")
    if not model_dirs:
        _refuse_model_options(
            {
                "--robustness": robustness,
                "--tag": tags,
                "--tgt-tag": tgt_tags,
                "--engine": engine != "auto",
                "--device": device != "auto",
                "--workers": workers,
                "--precision": precision != "auto",
                **{f"--{name.replace('_', '-')}": True for name in search},
            }
        )
    refuse_overwriting([], [*reference_paths, hypothesis_path, src_path, *(model_dirs or [])])
    wanted = metrics or [Metric.bleu]
    make_scorers(wanted, tokenize)
    references = [list(read_lines(path, what="the references")) for path in reference_paths]
    if hypothesis_path is not None:
        hypotheses = list(read_lines(hypothesis_path, what="the translations"))
    else:
        assert src_path is not None
        lines = list(read_lines(src_path, what="the source text"))
        check_counts(len(lines), references, "lines to translate")
        translator = _load(
            model_dirs or [],
            engine,
            device=device,
            precision=precision,
            n_workers=workers,
            tags=tags or (),
            tgt_tags=tgt_tags or (),
        )

        def translate(lines: list[str]) -> list[str]:
            from mtkit.io.progress import progress

            with progress("Translating", len(lines)) as bar:
                return [
                    translation.text
                    for translation in translator.stream(lines, on_lines=bar.advance, **search)
                ]

        if robustness:
            from mtkit.corpus.augment.altered_sets import alter_test_set
            from mtkit.evaluation.report import robustness_to_json, robustness_to_text
            from mtkit.evaluation.robustness import evaluate_robustness

            config = translator.config
            langs = (config.src_lang, config.tgt_lang)
            altered = alter_test_set(lines, references, langs, config.tags)
            result = evaluate_robustness(translate, lines, references, altered, wanted, tokenize)
            print(robustness_to_json(*result) if as_json else robustness_to_text(*result))
            return
        hypotheses = translate(lines)
    scores = score(hypotheses, references, wanted, tokenize)
    print(to_json(scores) if as_json else to_text(scores))


def _refuse_model_options(options: dict[str, Any]) -> None:
    if given := [name for name, value in options.items() if value]:
        raise typer.BadParameter(
            f"{', '.join(given)}: only with --model, since nothing is translated here"
        )


def _load(
    model_dirs: list[Path], engine: Literal["auto", "torch", "ctranslate2"], **options: Any
) -> "Translator":
    # torch takes seconds to load, which a mistyped path should not wait for.
    from mtkit.checkpoint.find_model import refuse_no_model

    for folder in model_dirs:
        refuse_no_model(folder)
    from mtkit.engines.choose import choose_engine

    if choose_engine(engine, model_dirs) == "ctranslate2":
        from mtkit.translation.exported import load_exported_translator

        return load_exported_translator(model_dirs, **options)
    from mtkit.translation.translator import Translator

    return Translator.load(model_dirs, **options)

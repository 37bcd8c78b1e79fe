"""`mtkit tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.common.evaluation_options import (
    EvaluatedModelOptions,
    EvaluationDeviceOptions,
    Metric,
    MetricOptions,
    choose_tokenizer,
    load_metrics,
    read_references,
    warn_of_texts,
)
from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import TagOptions
from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from mtkit.config.search import SearchConfig


@option_group()
class TuningOptions:
    """The model, the validation set, and the values to try."""

    model_dir: Annotated[Path, typer.Option("--model", "-m", metavar="DIR")]
    """Model directory; not modified."""
    src_path: Annotated[Path, typer.Option("--src", "-s", metavar="FILE")]
    """Source text of the validation set."""
    reference_paths: Annotated[list[Path], typer.Option("--reference", "-r", metavar="FILE")]
    """Reference translation, one segment per line; repeatable."""
    out_dir: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", show_default="none, only a report"),
    ] = None
    """Model directory to write: the model with the best settings as its defaults."""
    alphas: Annotated[
        list[float] | None,
        typer.Option(
            "--alpha",
            min=0,
            max=10,
            show_default="from 0.6 to 1.8, and beyond while that is better",
        ),
    ] = None
    """Strength of the length penalty to try; repeatable."""
    beam_sizes: Annotated[
        list[int] | None,
        typer.Option("--beam-size", min=1, max=10_000, show_default="the model's"),
    ] = None
    """Beam size to try; repeatable."""
    metric: Metric = Metric.bleu
    """Metric; for ter, lower is better."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print JSON."""


@takes_option_groups
def tune(options: TuningOptions, tags: TagOptions, devices: EvaluationDeviceOptions) -> None:
    """Choose length penalty and beam size on a validation set.

    Translates the set with each value. --output keeps the best one in a copy of the model. Do not
    tune on a test set: its scores would then be too good.

    Examples:
        mtkit tune -m de-en/work/run/model -s dev.de -r dev.en
        mtkit tune -m de-en/averaged -s dev.de -r dev.en -o de-en/tuned
        mtkit tune -m de-en/averaged -s dev.de -r dev.en --beam-size 4 --beam-size 8
    """
    from mtkit.cli.common.corpus_arguments import refuse_other_order_than
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.evaluation.metrics import check_counts
    from mtkit.evaluation.tuning import SearchSettings, tune_search
    from mtkit.io.find_model import is_exported_dir, refuse_no_model
    from mtkit.io.text import read_lines

    path, out = options.model_dir, options.out_dir
    refuse_no_model(path)
    refuse_other_order_than(path, [options.src_path, options.reference_paths[0]])
    refuse_overwriting([out], [path, options.src_path, *options.reference_paths])
    is_exported = is_exported_dir(path)
    if out is not None and is_exported:
        raise MtkitError(
            f"`{path}`: an exported model, whose settings are fixed",
            "tune the original model and export it again",
        )
    references = read_references(options.reference_paths)
    src = list(read_lines(options.src_path, what="the source text"))
    check_counts(len(src), references, "lines to translate")
    model_options = EvaluatedModelOptions(tags, devices, {})
    translator = model_options.load([path])
    if out is not None:
        from mtkit.checkpoint.model_dir import copy_model_dir, refuse_foreign_dir

        refuse_foreign_dir(out)
    search, names = translator.config.search, [str(options.metric)]
    _refuse_unranked(path, search)
    _check_values(search, options)
    tokenize = choose_tokenizer(MetricOptions(), names, translator.config.tgt_lang)
    [metric] = load_metrics([], names, [], references, src, tokenize).values()
    tuning = tune_search(
        lambda chosen: model_options._replace(search=chosen._asdict()).translate(translator, src),
        references,
        SearchSettings(search.beam_size, search.alpha),
        metric,
        alphas=options.alphas or (),
        beam_sizes=options.beam_sizes or (),
    )
    warn_of_texts({"the translations": tuning.best.translations}, references, names, tokenize)
    print(tuning.to_json() if options.as_json else "\n".join(tuning.lines()))
    if out is not None:
        best = tuning.best.settings._asdict()
        copy_model_dir(path, out, search.model_copy(update=best))
        _log(f"wrote {out}")
    elif tuning.best is not tuning.current:
        beam_size, alpha = tuning.best.settings
        keys = f"search: {{beam_size: {beam_size}, alpha: {alpha:g}}}"
        _log(
            f"translate with --beam-size {beam_size} --alpha {alpha:g}, or tune the original model"
            if is_exported
            else f"keep these settings with -o DIR, or by `{keys}` in the recipe"
        )


def _refuse_unranked(path: Path, search: "SearchConfig") -> None:
    """Check that the length penalty determines the translation.

    Raises:
        MtkitError: It does not, by the settings in the model.
    """
    reasons = {
        "length_penalty: none": search.length_penalty == "none",
        "sampling": search.sampling,
        "mbr": search.mbr > 0,
    }
    if found := [name for name, holds in reasons.items() if holds]:
        raise MtkitError(
            f"`{path}`: its search settings have {found[0]}, so alpha has no effect",
            "change `search` in its config.json",
        )


def _check_values(search: "SearchConfig", options: TuningOptions) -> None:
    """Check the values to try before anything is translated.

    Raises:
        MtkitError: A beam size does not fit the settings in the model, or alpha has no effect.
    """
    beam_sizes = options.beam_sizes or [search.beam_size]
    for beam_size in beam_sizes:
        search.with_overrides({"beam_size": beam_size})
    if set(beam_sizes) == {1} and (options.alphas or not options.beam_sizes):
        raise MtkitError(
            "greedy search (beam size 1) has no length penalty, so alpha has no effect",
            "give larger beam sizes to try with --beam-size",
        )


def _log(text: str) -> None:
    from mtkit.io.logs import get_logger

    get_logger(__name__).info("%s", text)

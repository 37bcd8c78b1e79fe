"""`mtkit score`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DEVICES, DeviceOptions, ModelOptions, TagOptions
from mtkit.cli.common.search_options import search_group

_SearchOptions = Annotated[
    dict[str, Any], search_group(only=("length_penalty", "alpha", "ensemble", "max_tokens"))
]
"""Settings that affect scores."""


@option_group()
class PathOptions(ModelOptions):
    """Input, models and output."""

    src_path: Annotated[Path, typer.Argument(metavar="SRC")]
    """Source text, one segment per line; may be compressed; - is stdin."""
    tgt_path: Annotated[Path, typer.Argument(metavar="TGT")]
    """Its translations: line N translates line N of SRC; - is stdin."""
    output_format: Annotated[Literal["text", "tsv", "jsonl"], typer.Option("--format")] = "text"
    """Fields separated by spaces (text) or TABs (tsv), or one JSON object per line (jsonl)."""
    per_token: Annotated[bool, typer.Option("--per-token")] = False
    """Also write each token of the translation with its log-probability."""


@option_group(DEVICES)
class ScoringDeviceOptions(DeviceOptions):
    """Devices and batches."""

    chunk_lines: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default="automatic")
    ] = None
    """Lines read and scored together."""


@takes_option_groups
def score(
    paths: PathOptions, tags: TagOptions, devices: ScoringDeviceOptions, search: _SearchOptions
) -> None:
    """Compute the probability that a model assigns to given translations.

    Writes one line for each pair, in the same order: the log-probability (natural logarithm,
    including the end of the sentence), the score after the length penalty, and the number of
    tokens. The perplexity of the whole text goes to stderr. No line is cut or left out.

    Examples:
        mtkit score test.de test.en -m de-en/work/run/model -o test.scores
        mtkit score test.de test.en -m de-en/work/run/model --per-token --format jsonl
    """
    from mtkit.cli.common.corpus_arguments import refuse_other_order_than
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.io.find_model import refuse_no_model
    from mtkit.translation.lines.score_lines import count_pairs

    refuse_overwriting([paths.output_path], [paths.src_path, paths.tgt_path, *paths.model_dirs])
    # A file that is too short is reported now rather than at its end.
    n_lines = count_pairs(paths.src_path, paths.tgt_path)
    # torch takes seconds to load, which a mistyped path should not wait for.
    for model_dir in paths.model_dirs:
        refuse_no_model(model_dir)
        refuse_other_order_than(model_dir, [paths.src_path, paths.tgt_path])
    from mtkit.io.logs import get_logger
    from mtkit.translation.jobs.device_layout import choose_layout
    from mtkit.translation.jobs.score_file import ScoringFiles, score_file
    from mtkit.translation.translator import Translator

    translator = Translator.load(
        paths.model_dirs,
        device=devices.device,
        precision=devices.precision,
        n_workers=devices.workers,
        **tags.load_arguments(paths.model_dirs),
    )
    layout = choose_layout(devices.device, 1, devices.workers, None)
    get_logger(__name__).info("scoring with %s, %s", translator.placement, layout)
    files = ScoringFiles(
        paths.src_path, paths.tgt_path, paths.output_path, paths.output_format, paths.per_token
    )
    settings = translator.search_config(**search)
    totals = score_file(translator, files, settings, n_lines, devices.chunk_lines)
    typer.echo(totals.report(), err=True)

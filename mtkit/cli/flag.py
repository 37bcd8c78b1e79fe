"""`mtkit flag`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mtkit.cli.common.option_groups import option_group, takes_option_groups
from mtkit.cli.common.options import DeviceOptions
from mtkit.cli.common.pair_score_options import PairScoreOptions


@option_group()
class FlagOptions:
    """Input, output and languages."""

    src_path: Annotated[Path, typer.Argument(metavar="SRC")]
    """Source text, one segment per line; may be compressed; - is stdin."""
    tgt_path: Annotated[Path, typer.Argument(metavar="TGT")]
    """Its translations: line N translates line N of SRC; - is stdin."""
    output_path: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", show_default="stdout")
    ] = None
    """File to write."""
    output_format: Annotated[Literal["tsv", "jsonl"], typer.Option("--format")] = "tsv"
    """Flags and scores separated by TABs (tsv), or one JSON object per line with the texts (jsonl).
    """
    src_lang: Annotated[str | None, typer.Option("--src-lang", metavar="CODE")] = None
    """Source language, such as ko; it tells which scripts to expect."""
    tgt_lang: Annotated[str | None, typer.Option("--tgt-lang", metavar="CODE")] = None
    """Target language."""
    share: Annotated[float, typer.Option("--share", metavar="SHARE")] = 0.05
    """Share of the lines to flag for each score: those with the lowest ones."""


@takes_option_groups
def flag(options: FlagOptions, scores: PairScoreOptions, devices: DeviceOptions) -> None:
    """Flag translations that are doubtful, without references.

    Writes one line for each pair, in the same order: its flags, such as copied, looping, cut short,
    wrong script or number lost, and its scores. With models or programs that score pairs, the lines
    with the lowest scores are flagged too. A line without flags starts with a TAB or is blank.

    Examples:
        mtkit flag new.de new.en -o new.flags
        mtkit flag new.de new.en --forward-model M1 --reverse-model M2 -o new.flags
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.translation.lines.score_lines import read_pairs

    if not 0 <= options.share <= 1:
        raise typer.BadParameter(f"--share {options.share}: give a share such as 0.05, at most 1")
    inputs = [options.src_path, options.tgt_path, *scores.model_dirs]
    refuse_overwriting([options.output_path], inputs)
    pairs = list(read_pairs(options.src_path, options.tgt_path))
    sources, translations = [src for src, _ in pairs], [tgt for _, tgt in pairs]
    scores.check_direction(options.src_path, sources)
    functions = scores.load(devices)
    from mtkit.corpus.scripts import scripts_of_language
    from mtkit.io.logs import get_logger
    from mtkit.io.text import write_lines
    from mtkit.quality.doubtful_lines import find_doubts, flag_lines, summary

    values = {name: list(function(pairs)) for name, function in functions.items()}
    langs = options.src_lang or "", options.tgt_lang or ""
    for code in filter(None, langs):
        if not scripts_of_language(code):
            get_logger(__name__).warning(
                "the scripts of `%s` are not known; those of most lines are expected", code
            )
    flags = find_doubts(sources, translations, values, share=options.share, langs=langs)
    write_lines(options.output_path, flag_lines(pairs, flags, values, options.output_format))
    typer.echo(summary(flags), err=True)

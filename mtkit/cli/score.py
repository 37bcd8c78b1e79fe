"""`mtkit score`."""

import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.cli.common.options import (
    DEVICES,
    DeviceOption,
    PrecisionOption,
    TagsOption,
    WorkersOption,
)
from mtkit.cli.common.search_options import TgtTagsOption, takes_search_options
from mtkit.config.search import SearchConfig

_SETTINGS = ("length_penalty", "alpha", "ensemble", "max_tokens")
"""Those that make a difference where nothing is searched for."""


@takes_search_options(*(name for name in SearchConfig.model_fields if name not in _SETTINGS))
def score(
    src_path: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="Source text, one segment per line; may be compressed; - is stdin"
        ),
    ],
    tgt_path: Annotated[
        Path,
        typer.Argument(
            metavar="TGT", help="Its translations: line N translates line N of SRC; - is stdin"
        ),
    ],
    model_dirs: Annotated[
        list[Path],
        typer.Option(
            "--model", "-m", metavar="DIR", help="Model directory; repeat it for an ensemble"
        ),
    ],
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write", show_default="stdout"),
    ] = None,
    output_format: Annotated[
        Literal["text", "tsv", "jsonl"],
        typer.Option(
            "--format",
            help="Fields separated by spaces (text) or TABs (tsv), or one JSON object per line (jsonl)",
        ),
    ] = "text",
    per_token: Annotated[
        bool,
        typer.Option(
            "--per-token", help="Also write each piece of the translation with its log-probability"
        ),
    ] = False,
    tags: TagsOption = None,
    tgt_tags: TgtTagsOption = None,
    chunk_lines: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Lines read and scored together",
            show_default="many",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    precision: PrecisionOption = "auto",
    *,
    search: dict[str, Any],
) -> None:
    """Compute the probability that a model assigns to given translations.

    Writes one line for each pair, in the same order: the log-probability (natural logarithm, including the end of the sentence), the score after
    the length penalty, and the number of pieces. The perplexity of the whole text goes to stderr. No line is cut or left out.

    Examples:
        mtkit score test.de test.en -m de-en/work/run/model -o test.scores
        mtkit score test.de test.en -m de-en/work/run/model --per-token --format jsonl
    """
    from mtkit.checkpoint.find_model import refuse_no_model
    from mtkit.io.logs import get_logger
    from mtkit.io.output_guard import refuse_overwriting
    from mtkit.io.progress import progress
    from mtkit.io.text import write_lines

    refuse_overwriting([output_path], [src_path, tgt_path, *model_dirs])
    lines = _pairs(src_path, tgt_path)
    # A file that is too short is better told now than at its end.
    n_lines = (
        sum(1 for _ in _pairs(src_path, tgt_path))
        if src_path.is_file() and tgt_path.is_file()
        else None
    )
    # torch takes seconds to load, which a mistyped path should not wait for.
    for folder in model_dirs:
        refuse_no_model(folder)
    from mtkit.translation.jobs.device_layout import choose_layout
    from mtkit.translation.lines.score_lines import ScoreTotals, score_lines
    from mtkit.translation.scoring import CHUNK_LINES
    from mtkit.translation.translator import Translator

    translator = Translator.load(
        model_dirs,
        device=device,
        precision=precision,
        n_workers=workers,
        tags=tags or (),
        tgt_tags=tgt_tags or (),
    )
    settings = translator.search_config(**search)
    get_logger(__name__).info(
        "scoring with %s, %s", translator.placement, choose_layout(device, 1, workers, None)
    )
    totals = ScoreTotals()
    # A bar would get between the lines of a terminal that shows them both.
    is_shown = output_path is not None or not sys.stdout.isatty()
    try:
        with progress("Scoring", n_lines) if is_shown else nullcontext() as bar:
            scores = translator.pair_scorer.stream(
                lines,
                settings,
                chunk_lines or CHUNK_LINES,
                bar.advance if bar is not None else None,
            )
            write_lines(
                output_path, score_lines(totals.count(scores), output_format, per_token=per_token)
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"`{output_path}` was not written"
            if output_path is not None and str(output_path) != "-"
            else ""
        ) from None
    typer.echo(totals.report(), err=True)


def _pairs(src_path: Path, tgt_path: Path) -> Iterator[tuple[str, str]]:
    """Two files line by line; at the call, a file that is not there is told, and while reading, which of them ends first."""
    from mtkit.errors import MtkitError
    from mtkit.io.text import read_lines

    src, tgt = (
        read_lines(src_path, what="the source text"),
        read_lines(tgt_path, what="the translations"),
    )

    def pairs() -> Iterator[tuple[str, str]]:
        with closing(src), closing(tgt):
            for n_before, (src_line, tgt_line) in enumerate(zip_longest(src, tgt)):
                if src_line is None or tgt_line is None:
                    short, long = (src_path, tgt_path) if src_line is None else (tgt_path, src_path)
                    raise MtkitError(
                        f"`{short}` ends after line {n_before:,}, but `{long}` goes on",
                        "line N of each must belong to line N of the other; `mtkit data check` shows where lines were lost",
                    )
                yield src_line, tgt_line

    return pairs()

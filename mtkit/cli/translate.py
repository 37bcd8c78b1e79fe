"""`mtkit translate`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mtkit.cli.options import (
    MODELS_DEFAULT,
    AlphaOption,
    BeamSizeOption,
    DeviceOption,
    LengthPenaltyOption,
    MaxTokensOption,
    PrecisionOption,
    ProcessesOption,
    TagsOption,
    WorkersOption,
    given,
    help_of,
)
from mtkit.config.search import SearchConfig


def translate(
    input_path: Annotated[
        Path, typer.Argument(metavar="FILE", help="Source text, one segment per line, or a table; may be packed (.gz, .xz, .zst); - is stdin")
    ],
    model_dirs: Annotated[
        list[Path], typer.Option("--model", "-m", metavar="DIR", help="Model directory, as `mtkit train` writes it; repeated, an ensemble")
    ],
    output_path: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write", show_default="stdout")] = None,
    input_format: Annotated[
        Literal["auto", "text", "tsv", "csv", "jsonl"],
        typer.Option(help="What a line of input is; auto goes by the file's name, and is text of any other"),
    ] = "auto",
    output_format: Annotated[
        Literal["text", "tsv", "csv", "jsonl"] | None,
        typer.Option("--format", help="What a line of output is; as the input's, the rest of the line comes along", show_default="as the input"),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="FIELD", help="Translate this column (its number, or its name in the header line) or key of JSON; may be repeated"
        ),
    ] = None,
    fields_out: Annotated[
        list[str] | None,
        typer.Option("--field-out", metavar="FIELD", help="Where the translation goes; a field that is there is replaced", show_default="a new one"),
    ] = None,
    has_header: Annotated[
        bool, typer.Option("--header", help="The first line of a TSV or CSV names its columns; so it does if --field is a name")
    ] = False,
    details: Annotated[bool, typer.Option("--details", help="Write score and flags with each translation of a table")] = False,
    errors: Annotated[Literal["strict", "replace"], typer.Option(help="Refuse invalid UTF-8, or read it as U+FFFD and tell how often")] = "strict",
    tags: TagsOption = None,
    beam_size: BeamSizeOption = None,
    n_best: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Write the N best of each line, best first; as text: line number, TAB, score, TAB, text"),
    ] = None,
    length_penalty: LengthPenaltyOption = None,
    alpha: AlphaOption = None,
    loop_guard: Annotated[
        bool | None, typer.Option("--loop-guard/--no-loop-guard", help=help_of(SearchConfig, "loop_guard"), show_default=MODELS_DEFAULT)
    ] = None,
    max_tokens: MaxTokensOption = None,
    chunk_lines: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Lines read and translated together; 1 answers each at once", show_default="many; on a terminal 1"),
    ] = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    processes: ProcessesOption = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Go on with what an interrupted run of the same command has left, or begin anew",
            show_default="begin where nothing is left",
        ),
    ] = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Translate a file.

    N lines in, N lines out, in order; a blank line stays blank. Of a TSV, CSV or JSON lines, --field is translated and the rest comes along
    as it is. With --n-best, lines are numbered from 1, and the score is the log-probability after the length penalty.
    """
    from mtkit.files import read_lines
    from mtkit.translation.line_options import LineOptions

    options = LineOptions.for_file(
        input_path,
        input_format,
        output_format=output_format,
        fields=tuple(fields or ()),
        fields_out=tuple(fields_out or ()),
        has_header=has_header,
        details=details,
        n_best=n_best,
    )
    # torch takes seconds to load, which a mistyped path should not wait for.
    read_lines(input_path, what="the source text").close()
    from mtkit.translation.jobs.model_lines import ModelLines
    from mtkit.translation.jobs.translate_file import translate_file

    # Whoever types lines wants an answer to each.
    if chunk_lines is None and str(input_path) == "-" and sys.stdin.isatty():
        chunk_lines = 1
    search = given(beam_size=beam_size, length_penalty=length_penalty, alpha=alpha, max_tokens=max_tokens, loop_guard=loop_guard)
    name = "stdin" if str(input_path) == "-" else str(input_path)
    lines = ModelLines(tuple(model_dirs), options, name, search, {"precision": precision, "tags": tuple(tags or ())})
    placing = {"device": device, "n_workers": workers, "n_processes": processes}
    translate_file(input_path, output_path, lines, errors=errors, resume=resume, chunk_lines=chunk_lines, **placing)

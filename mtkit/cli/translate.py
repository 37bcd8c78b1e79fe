"""`mtkit translate`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.cli.common.options import (
    DEVICES,
    INPUT_AND_OUTPUT,
    BatchInvariantOption,
    DeviceOption,
    EngineOption,
    PrecisionOption,
    ProcessesOption,
    ShortlistOption,
    TagsOption,
    WorkersOption,
    given,
)
from mtkit.cli.common.search_options import (
    AvoidOption,
    ConstraintsOption,
    PrefixFileOption,
    TgtTagsOption,
    takes_search_options,
)

_WORDS = "Word alignments and unknown words"


@takes_search_options("n_best")
def translate(
    input_path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Source text, one segment per line, or a table; may be compressed (.gz, .xz, .zst); - is stdin",
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
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Resume an interrupted run of the same command, or discard what it left and start over",
            show_default="start over if nothing is left",
        ),
    ] = None,
    input_format: Annotated[
        Literal["auto", "text", "tsv", "csv", "jsonl"],
        typer.Option(
            help="Format of the input; auto goes by the file's name: .tsv, .csv and .jsonl are tables, anything else is text. "
            "Documents such as .po, .srt, .html or .docx are refused unless text is given",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = "auto",
    output_format: Annotated[
        Literal["text", "tsv", "csv", "jsonl"] | None,
        typer.Option(
            "--format",
            help="Format of the output; in the format of the input, the other fields are kept",
            show_default="as the input",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="FIELD",
            help="Column to translate (its number, or its name in the header line), or key of a JSON object; repeatable",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = None,
    fields_out: Annotated[
        list[str] | None,
        typer.Option(
            "--field-out",
            metavar="FIELD",
            help="Column or key for the translation; an existing one is replaced",
            show_default="a new one",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = None,
    has_header: Annotated[
        bool,
        typer.Option(
            "--header",
            help="The first line of a TSV or CSV file names its columns; implied if --field is a name",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = False,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Add score and flags to each translation of a table",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = False,
    n_best: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Write the N best translations of each line, or N samples; as text: line number, TAB, score, TAB, text",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = None,
    errors: Annotated[
        Literal["strict", "replace"],
        typer.Option(
            help="Refuse invalid UTF-8, or replace it by U+FFFD and report how often",
            rich_help_panel=INPUT_AND_OUTPUT,
        ),
    ] = "strict",
    alignments_path: Annotated[
        Path | None,
        typer.Option(
            "--alignments",
            metavar="FILE",
            help="Write word alignments to this file, such as 0-0 1-2 (source word, target word)",
            rich_help_panel=_WORDS,
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="With --format jsonl: add the word alignments there",
            rich_help_panel=_WORDS,
        ),
    ] = False,
    replace_unk: Annotated[
        bool,
        typer.Option(
            "--replace-unk",
            help="Copy the source word where the model writes an unknown word",
            rich_help_panel=_WORDS,
        ),
    ] = False,
    unk_dictionary_path: Annotated[
        Path | None,
        typer.Option(
            "--unk-dictionary",
            metavar="FILE",
            help="For --replace-unk: source word, TAB, its translation on each line",
            rich_help_panel=_WORDS,
        ),
    ] = None,
    tags: TagsOption = None,
    tgt_tags: TgtTagsOption = None,
    prefix_path: PrefixFileOption = None,
    constraints_path: ConstraintsOption = None,
    avoid: AvoidOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = None,
    processes: ProcessesOption = None,
    chunk_lines: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Lines read and translated together; 1 translates each line as soon as it is read",
            show_default="many; 1 if lines are typed",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    shortlist: ShortlistOption = False,
    batch_invariant: BatchInvariantOption = False,
    engine: EngineOption = "auto",
    *,
    search: dict[str, Any],
) -> None:
    """Translate a file.

    Writes one line for each input line, in the same order; a blank line stays blank. In a TSV, CSV or JSON Lines file, --field selects what to
    translate, and the other fields are kept. With --n-best, lines are numbered from 1; the score is the log-probability after the length penalty.

    Examples:
        mtkit translate new.de -m de-en/work/run/model -o new.en
        echo 'Guten Morgen!' | mtkit translate - -m de-en/work/run/model
        mtkit translate talks.tsv --field text -m de-en/work/run/model -o talks.en.tsv
        mtkit translate new.de -m model-1 -m model-2 --format jsonl --details
    """
    from mtkit.checkpoint.find_model import refuse_no_model
    from mtkit.cli.common.usage_errors import refuse_text
    from mtkit.io.output_guard import refuse_overwriting
    from mtkit.io.text import read_lines
    from mtkit.translation.jobs.parts_dir import parts_path
    from mtkit.translation.lines.document_types import refuse_document
    from mtkit.translation.lines.line_options import LineOptions

    if str(alignments_path) == "-":
        raise typer.BadParameter("--alignments takes a file; stdout is for the translations")
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
    if align and options.format != "jsonl":
        raise typer.BadParameter(
            "--align goes with --format jsonl; --alignments FILE writes a file of its own"
        )
    beside = {
        "prefix_path": prefix_path,
        "constraints_path": constraints_path,
        "alignments_path": alignments_path,
    }
    if any(beside.values()) and (processes is not None or resume is not None):
        raise typer.BadParameter(
            "--prefix-file, --constraints and --alignments are for one process, without --processes and --resume"
        )
    parts = parts_path(output_path) if output_path is not None and str(output_path) != "-" else None
    refuse_overwriting(
        [output_path, alignments_path, parts],
        [input_path, prefix_path, constraints_path, unk_dictionary_path, *model_dirs],
    )
    refuse_text(input_path, model_dirs)
    # torch takes seconds to load, which a mistyped path should not wait for.
    for path, what in (
        (input_path, "the source text"),
        (prefix_path, "the prefixes"),
        (constraints_path, "the constraints"),
    ):
        if path is not None:
            read_lines(path, what=what).close()
    is_guessed = input_format == "auto" and options.input_format == "text"
    if is_guessed and input_path.is_file():
        refuse_document(input_path)
    for folder in model_dirs:
        refuse_no_model(folder)
    from mtkit.engines.choose import loader_of
    from mtkit.translation.jobs.companion_files import translate_beside
    from mtkit.translation.jobs.translate_file import translate_file
    from mtkit.translation.jobs.translation_spec import TranslationSpec
    from mtkit.translation.unk_replacement import read_dictionary

    # Whoever types lines wants an answer to each.
    if chunk_lines is None and str(input_path) == "-" and sys.stdin.isatty():
        chunk_lines = 1
    search |= given(avoid=avoid, alignments=align or None)
    if replace_unk or unk_dictionary_path is not None:
        search["unk_dictionary"] = (
            read_dictionary(unk_dictionary_path) if unk_dictionary_path is not None else {}
        )
    name = "stdin" if str(input_path) == "-" else str(input_path)
    load = {"precision": precision, "tags": tuple(tags or ()), "tgt_tags": tuple(tgt_tags or ())}
    # Only where they are asked for: they count among what must be the same to go on with an interrupted run.
    load |= {"shortlist": True} if shortlist else {}
    load |= {"batch_invariant": True} if batch_invariant else {}
    looks_back = (
        align or replace_unk or unk_dictionary_path is not None or alignments_path is not None
    )
    loader = loader_of(engine, model_dirs, looks_back=looks_back)
    lines = TranslationSpec(tuple(model_dirs), options, name, search, load, loader)
    if any(beside.values()):
        translate_beside(
            input_path,
            output_path,
            lines,
            **beside,
            device=device,
            n_workers=workers,
            errors=errors,
            chunk_lines=chunk_lines,
            refuses_documents=is_guessed,
        )
        return
    placing = {"device": device, "n_workers": workers, "n_processes": processes}
    translate_file(
        input_path,
        output_path,
        lines,
        errors=errors,
        resume=resume,
        chunk_lines=chunk_lines,
        refuses_documents=is_guessed,
        **placing,
    )

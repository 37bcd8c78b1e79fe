"""`mtkit translate`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtkit.cli.options import (
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
from mtkit.cli.search_options import AvoidOption, ConstraintsOption, PrefixFileOption, TgtTagsOption, takes_search_options


@takes_search_options("n_best")
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
        typer.Option(
            help="What a line of input is; auto goes by the file's name: .tsv, .csv and .jsonl are tables, anything else is text. "
            "Documents such as .po, .srt, .html or .docx are refused unless text is given"
        ),
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
    tgt_tags: TgtTagsOption = None,
    n_best: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Write the N best of each line, or N samples; as text: line number, TAB, score, TAB, text"),
    ] = None,
    prefix_path: PrefixFileOption = None,
    constraints_path: ConstraintsOption = None,
    avoid: AvoidOption = None,
    alignments_path: Annotated[
        Path | None, typer.Option("--alignments", metavar="FILE", help="Write which words belong together, as in 0-0 1-2: source word, target word")
    ] = None,
    align: Annotated[bool, typer.Option("--align", help="With --format jsonl: say there which words belong together")] = False,
    replace_unk: Annotated[bool, typer.Option("--replace-unk", help="Put the source word in place of a word that the model cannot write")] = False,
    unk_dictionary_path: Annotated[
        Path | None, typer.Option("--unk-dictionary", metavar="FILE", help="For --replace-unk: source word, TAB, what to put in its place")
    ] = None,
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
    shortlist: ShortlistOption = False,
    batch_invariant: BatchInvariantOption = False,
    engine: EngineOption = "auto",
    *,
    search: dict[str, Any],
) -> None:
    """Translate a file.

    N lines in, N lines out, in order; a blank line stays blank. Of a TSV, CSV or JSON lines, --field is translated and the rest comes along
    as it is. With --n-best, lines are numbered from 1, and the score is the log-probability after the length penalty.
    """
    from mtkit.files import read_lines
    from mtkit.model_folders import refuse_no_model
    from mtkit.output_guard import refuse_overwriting
    from mtkit.translation.document_types import refuse_document
    from mtkit.translation.jobs.work_dir import work_path
    from mtkit.translation.line_options import LineOptions

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
        raise typer.BadParameter("--align goes with --format jsonl; --alignments FILE writes a file of its own")
    beside = {"prefix_path": prefix_path, "constraints_path": constraints_path, "alignments_path": alignments_path}
    if any(beside.values()) and (processes is not None or resume is not None):
        raise typer.BadParameter("--prefix-file, --constraints and --alignments are for one process, without --processes and --resume")
    parts = work_path(output_path) if output_path is not None and str(output_path) != "-" else None
    refuse_overwriting(
        [output_path, alignments_path, parts],
        [input_path, prefix_path, constraints_path, unk_dictionary_path, *model_dirs],
    )
    # torch takes seconds to load, which a mistyped path should not wait for.
    for path, what in (input_path, "the source text"), (prefix_path, "the prefixes"), (constraints_path, "the constraints"):
        if path is not None:
            read_lines(path, what=what).close()
    is_guessed = input_format == "auto" and options.input_format == "text"
    if is_guessed and input_path.is_file():
        refuse_document(input_path)
    for folder in model_dirs:
        refuse_no_model(folder)
    from mtkit.interop.engines import loader_of
    from mtkit.translation.jobs.beside import translate_beside
    from mtkit.translation.jobs.model_lines import ModelLines
    from mtkit.translation.jobs.translate_file import translate_file
    from mtkit.translation.unknown import read_dictionary

    # Whoever types lines wants an answer to each.
    if chunk_lines is None and str(input_path) == "-" and sys.stdin.isatty():
        chunk_lines = 1
    search |= given(avoid=avoid, alignments=align or None)
    if replace_unk or unk_dictionary_path is not None:
        search["unk_dictionary"] = read_dictionary(unk_dictionary_path) if unk_dictionary_path is not None else {}
    name = "stdin" if str(input_path) == "-" else str(input_path)
    load = {"precision": precision, "tags": tuple(tags or ()), "tgt_tags": tuple(tgt_tags or ())}
    # Only where they are asked for: they count among what must be the same to go on with an interrupted run.
    load |= {"shortlist": True} if shortlist else {}
    load |= {"batch_invariant": True} if batch_invariant else {}
    looks_back = align or replace_unk or unk_dictionary_path is not None or alignments_path is not None
    loader = loader_of(engine, model_dirs, looks_back=looks_back)
    lines = ModelLines(tuple(model_dirs), options, name, search, load, loader)
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
    translate_file(input_path, output_path, lines, errors=errors, resume=resume, chunk_lines=chunk_lines, refuses_documents=is_guessed, **placing)

"""Options of `mtkit translate`, and the translation that they describe."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mtkit.cli.common.option_groups import option_group
from mtkit.cli.common.options import (
    DEVICES,
    INPUT_AND_OUTPUT,
    TAGS_AND_CONSTRAINTS,
    FileDeviceOptions,
    ModelOptions,
    TagOptions,
    given,
)

if TYPE_CHECKING:
    from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles
    from mtkit.translation.lines.line_options import LineOptions

_INLINE = Path("inline")
_TABLES = ("tsv", "csv", "jsonl")


@option_group()
class PathOptions(ModelOptions):
    """Input, models and output."""

    input_path: Annotated[Path, typer.Argument(metavar="FILE")]
    """Source text, one segment per line, or a table; may be compressed (.gz, .xz, .zst); - is
    stdin."""
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--no-resume", show_default="refuse to start if anything is left"),
    ] = None
    """Resume an interrupted run of the same command, or discard what it left and start over."""


_LineFormat = Literal["auto", "text", "tsv", "csv", "jsonl"]
_DocumentFormat = Literal["srt", "vtt", "html", "docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"]
_DataFormat = Literal["md", "json", "yaml", "segments", "xliff", "tmx", "po"]


@option_group(INPUT_AND_OUTPUT)
class FormatOptions:
    """Formats of input and output."""

    input_format: Annotated[
        Literal[_LineFormat, _DocumentFormat, _DataFormat], typer.Option(metavar="FORMAT")
    ] = "auto"
    """Format of the input: text, tsv, csv, jsonl; or a document whose markup is kept: srt, vtt,
    html, md, json, yaml, docx, pptx, xlsx, odt, ods, odp, epub, xliff, tmx, po, segments. auto is
    determined by the file name, and for documents also by the content; anything else is text. Other
    documents such as .pdf are refused unless text is given."""
    output_format: Annotated[
        Literal["text", "tsv", "csv", "jsonl"] | None,
        typer.Option("--format", show_default="as the input"),
    ] = None
    """Format of the output; if it is that of the input, the other fields are kept."""
    fields: Annotated[list[str] | None, typer.Option("--field", metavar="FIELD")] = None
    """Column to translate (its number, or its name in the header line), or key of JSON or YAML,
    such as menu.*.title; repeatable."""
    fields_out: Annotated[
        list[str] | None, typer.Option("--field-out", metavar="FIELD", show_default="a new one")
    ] = None
    """Column or key for the translation; an existing one is replaced."""
    document_field: Annotated[str | None, typer.Option("--document-column", metavar="FIELD")] = None
    """For a model trained with context: column or key that names the document of each row; without
    it, only a blank text ends a document."""
    has_header: Annotated[bool, typer.Option("--header")] = False
    """The first line of a TSV or CSV file names its columns; implied if --field is a name."""
    details: Annotated[bool, typer.Option("--details")] = False
    """Add score and flags to each translation of a table."""
    n_best: Annotated[int | None, typer.Option(min=1, metavar="N")] = None
    """Write the N best translations of each line, or N samples; as text: line number, TAB, score,
    TAB, text."""
    errors: Literal["strict", "replace"] = "strict"
    """Refuse invalid UTF-8, or replace it with U+FFFD and report how often."""

    def document_format(self, path: Path, documents: "DocumentOptions") -> str | None:
        """Return the format of a document with markup; None for text and tables.

        Options of documents make a document of a table.

        Raises:
            MtkitError: The file is a ZIP archive, but not a document.
        """
        from mtkit.documents.formats import FORMATS, detect_format

        name = detect_format(path) if self.input_format == "auto" else self.input_format
        if name in _TABLES:
            return name if documents.given() else None
        return name if name in FORMATS and name != "text" else None

    def line_options(
        self,
        path: Path,
        alignments: Literal["file", "inline"] | None,
        document_format: str | None,
    ) -> "LineOptions":
        """Return the formats of lines.

        Args:
            path: The input.
            alignments: See `LineOptions`.
            document_format: Format of a document, which has none of lines.
        Raises:
            MtkitError: Options contradict each other.
        """
        from mtkit.translation.lines.line_options import LineOptions

        return LineOptions.for_file(
            path,
            self.input_format if document_format is None else "text",  # type: ignore[arg-type]
            output_format=self.output_format,
            fields=tuple(self.fields or ()) if document_format is None else (),
            fields_out=tuple(self.fields_out or ()),
            document_field=self.document_field,
            has_header=self.has_header,
            details=self.details,
            n_best=self.n_best,
            alignments=alignments,
        )


@option_group("Documents")
class DocumentOptions:
    """Documents with markup."""

    report_path: Annotated[Path | None, typer.Option("--report", metavar="FILE")] = None
    """Write the number of segments, the fall-backs and the flagged segments of a document as
    JSON."""
    protect: Annotated[list[str] | None, typer.Option("--protect", metavar="REGEX")] = None
    """Copy what matches from a document to its translation, such as '[A-Z]+-[0-9]+'; placeholders,
    URLs and e-mail addresses always are; repeatable."""
    allow_unchanged: Annotated[bool, typer.Option("--allow-unchanged")] = False
    """Write a document even if the model changes nothing in it."""
    is_final: Annotated[bool, typer.Option("--final")] = False
    """Mark translations in .xliff and .po as finished, not as drafts to be reviewed."""
    with_fuzzy: Annotated[bool, typer.Option("--fuzzy")] = False
    """Translate the entries of .po again that are marked as fuzzy."""

    def given(self) -> str:
        """Return the names of the options that are given."""
        options = {
            "--report": self.report_path is not None,
            "--protect": bool(self.protect),
            "--allow-unchanged": self.allow_unchanged,
            "--final": self.is_final,
            "--fuzzy": self.with_fuzzy,
        }
        return ", ".join(name for name, is_given in options.items() if is_given)


@option_group("Word alignments and unknown words")
class AlignmentOptions:
    """Outputs that follow from the attention to the source."""

    alignments: Annotated[Path | None, typer.Option(metavar="FILE|inline")] = None
    """Write word alignments such as 0-0 1-2 (source word-target word) to a file, one line for each
    input line; inline adds them to the objects of --format jsonl."""
    replace_unk: Annotated[bool, typer.Option("--replace-unk")] = False
    """Copy the source word where the model writes an unknown word."""
    unk_dictionary_path: Annotated[
        Path | None, typer.Option("--unk-dictionary", metavar="FILE")
    ] = None
    """For --replace-unk: file with a source word, TAB and its translation on each line."""

    @property
    def alignments_path(self) -> Path | None:
        """File of alignments."""
        return None if self.alignments == _INLINE else self.alignments

    @property
    def placement(self) -> Literal["file", "inline"] | None:
        """Destination of the alignments."""
        if self.alignments is None:
            return None
        return "inline" if self.alignments == _INLINE else "file"

    @property
    def needs_attention(self) -> bool:
        """Whether any of these outputs is requested."""
        return self.alignments is not None or self.replace_unk or bool(self.unk_dictionary_path)

    def search(self) -> dict[str, Any]:
        """Return arguments of `Translator.stream`."""
        if self.unk_dictionary_path is not None:
            from mtkit.translation.unk_replacement import read_dictionary

            return {"unk_dictionary": read_dictionary(self.unk_dictionary_path)}
        return {"unk_dictionary": {}} if self.replace_unk else {}


@option_group(TAGS_AND_CONSTRAINTS)
class ConstraintOptions(TagOptions):
    """Tags, and constraints on each translation."""

    prefix_path: Annotated[Path | None, typer.Option("--prefix-file", metavar="FILE")] = None
    """File with the beginning of each translation: line N is for input line N, blank for none."""
    constraints_path: Annotated[Path | None, typer.Option("--constraints", metavar="FILE")] = None
    """File with required and forbidden words: line N is for input line N, such as {"must":
    ["house"], "must_not": ["building"]}, blank for none."""
    avoid: Annotated[list[str] | None, typer.Option(metavar="TEXT")] = None
    """Word or phrase that must not appear in any translation, case-sensitive; repeatable."""
    terms_path: Annotated[Path | None, typer.Option("--terms", metavar="FILE")] = None
    """Terms and their translations, separated by a TAB; lines that contain one are translated with
    it."""

    def search(self) -> dict[str, Any]:
        """Return arguments of `Translator.stream`."""
        options = given(avoid=self.avoid)
        if self.terms_path is not None:
            from mtkit.corpus.terms.term_list import TermList

            options["terms"] = TermList.load(self.terms_path)
        return options


@option_group(DEVICES)
class TranslationDeviceOptions(FileDeviceOptions):
    """Devices and processes."""

    chunk_lines: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="automatic; 1 if stdin is a terminal"),
    ] = None
    """Lines read and translated together; 1 translates each line as soon as it is read."""
    shortlist: Annotated[bool, typer.Option("--shortlist")] = False
    """Consider only the target tokens that `mtkit shortlist` selected for the source; faster, but
    changes some lines."""
    batch_invariant: Annotated[bool, typer.Option("--batch-invariant")] = False
    """Translate a line in exactly the same way whatever else is translated, also with int8, a
    shortlist or a GPU; slower."""

    def load_arguments(self, tags: TagOptions, model_dirs: Sequence[Path]) -> dict[str, Any]:
        """See `FileDeviceOptions`."""
        flags = {"shortlist": self.shortlist, "batch_invariant": self.batch_invariant}
        arguments = super().load_arguments(tags, model_dirs)
        return arguments | {name: True for name, is_set in flags.items() if is_set}

    def choose_engine(
        self, model_dirs: list[Path], alignments: AlignmentOptions
    ) -> Literal["torch", "ctranslate2"]:
        """Return the engine for the models.

        Raises:
            MtkitError: The engine does not run these models, or computes no alignments.
        """
        from mtkit.engines.choose import choose_engine

        return choose_engine(self.engine, model_dirs, needs_attention=alignments.needs_attention)

    def run_options(self, paths: PathOptions) -> "RunOptions":
        """Return what the output does not depend on."""
        from mtkit.translation.jobs.translation_spec import RunOptions

        chunk_lines = self.chunk_lines
        # Whoever types lines wants an answer to each.
        if chunk_lines is None and str(paths.input_path) == "-" and sys.stdin.isatty():
            chunk_lines = 1
        return RunOptions(
            self.device, self.workers, self.processes, chunk_lines, paths.resume, self.ray
        )


def translation_files(
    paths: PathOptions,
    formats: FormatOptions,
    alignments: AlignmentOptions,
    constraints: ConstraintOptions,
    *,
    is_text: bool,
) -> "TranslationFiles":
    """Return the paths of a translation.

    Args:
        paths: Input and output.
        formats: Whether the format of the input was given.
        alignments: Their file.
        constraints: Their file, and that of the prefixes.
        is_text: Whether each line is translated as it is.
    """
    from mtkit.translation.jobs.translation_spec import TranslationFiles

    return TranslationFiles(
        paths.input_path,
        paths.output_path,
        constraints.prefix_path,
        constraints.constraints_path,
        alignments.alignments_path,
        formats.errors,
        refuses_documents=formats.input_format == "auto" and is_text,
    )


def check_paths(
    files: "TranslationFiles",
    model_dirs: list[Path],
    others: "Sequence[Path | None]",
    report_path: Path | None,
) -> None:
    """Check all paths before torch is imported, which takes seconds.

    Args:
        files: Input, output and files with a line for each line of the input.
        model_dirs: The models.
        others: Further input files.
        report_path: Report on a document.
    Raises:
        MtkitError: An input is missing or is a document, an output would overwrite an input, or a
            model directory holds no model.
    """
    from mtkit.cli.common.output_guard import refuse_overwriting
    from mtkit.cli.common.usage_errors import refuse_text
    from mtkit.io.find_model import refuse_no_model
    from mtkit.io.text import read_blocks
    from mtkit.translation.jobs.parts_dir import parts_path
    from mtkit.translation.lines.document_types import refuse_document

    if str(files.alignments_path) == "-":
        raise typer.BadParameter("--alignments takes a file; stdout is for the translations")
    parts = None
    if files.output_path is not None and not files.is_stdout:
        parts = parts_path(files.output_path)
    side_paths = [path for _, path, _ in files.parallel_inputs()]
    refuse_overwriting(
        [files.output_path, files.alignments_path, report_path, parts],
        [files.input_path, *side_paths, *others, *model_dirs],
    )
    refuse_text(files.input_path, model_dirs)
    for path, what in (
        (files.input_path, "the source text"),
        *((path, what) for _, path, what in files.parallel_inputs()),
    ):
        read_blocks(path, what=what).close()
    if files.refuses_documents and files.input_path.is_file():
        refuse_document(files.input_path)
    for model_dir in model_dirs:
        refuse_no_model(model_dir)

"""Formats of input and output lines: plain values that every process can be sent."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self, cast, get_args

from mtkit.errors import MtkitError
from mtkit.io.compression import without_compression_suffix

LineFormat = Literal["text", "tsv", "csv", "jsonl"]

_FORMATS: tuple[str, ...] = get_args(LineFormat)


@dataclass(frozen=True)
class LineOptions:
    """Parts of a line of input to translate, and the output to write for it.

    If the output has the format of the input, the rest of a line is kept and its translations are
    added or replace a field. Otherwise the translations are written alone.

    Raises:
        MtkitError: The options contradict each other.
    """

    input_format: LineFormat = "text"
    """text: the line is translated; tsv, csv: a row of columns; jsonl: a JSON object."""
    output_format: LineFormat | None = None
    """None is the format of the input."""
    fields: tuple[str, ...] = ()
    """Columns to translate: numbers from 1 or, with a header line, names. In JSON objects keys,
    such as text or doc.text."""
    fields_out: tuple[str, ...] = ()
    """Columns or keys for the translations: existing ones are replaced, others are added at the
    end. None given: all are added."""
    document_field: str | None = None
    """Column or key whose value names the document of a line, for a model that reads the previous
    lines of a document; a document ends where it changes."""
    has_header: bool = False
    """Whether the first line of the input names the columns; implied by a name among
    `fields`, or as `document_field`."""
    header_line: str | None = None
    """The header line, once it has been read; see `with_header`."""
    details: bool = False
    """Whether score and flags are added to each translation in a table or JSON object."""
    n_best: int | None = None
    """Number of translations to write for each line; None is the best one, without its number."""
    alignments: Literal["file", "inline"] | None = None
    """Whether word alignments are written to a file, or added to JSON objects with the details."""

    def __post_init__(self) -> None:
        is_table = self.input_format in ("tsv", "csv")
        if self.input_format == "text":
            if self.fields or self.fields_out or self.document_field or self.has_header:
                raise MtkitError(
                    "plain text has no fields and no header",
                    "name the format of the input: --input-format tsv, csv or jsonl",
                )
        elif not self.fields:
            raise MtkitError(
                f"no field to translate in the {self.input_format}",
                "name it with --field, or give --input-format text",
            )
        if self.fields_out and len(self.fields_out) != len(self.fields):
            raise MtkitError(
                f"{len(self.fields)} fields to translate, "
                f"but {len(self.fields_out)} for translations",
                "give --field-out once for each --field",
            )
        if len(set(self.fields_out)) < len(self.fields_out):
            raise MtkitError(
                f"two translations would go to one field, {self.fields_out[0]}",
                "name a different field for each",
            )
        if is_table and "0" in (*self.fields, *self.fields_out, self.document_field):
            raise MtkitError("there is no field 0", "fields are counted from 1")
        if self.has_header and self.input_format == "jsonl":
            raise MtkitError("JSON Lines have no header", "leave out --header")
        if is_table and not self.needs_header and not all(map(str.isdecimal, self.fields_out)):
            raise MtkitError(
                "a field can only be named if the table has a header",
                "give --header, or the number of the field",
            )
        if self.details and self.format == "text":
            raise MtkitError("plain text cannot contain details", "write --format jsonl or tsv")
        if self.alignments == "inline" and self.format != "jsonl":
            raise MtkitError(
                f"{self.format} cannot contain alignments",
                "write --format jsonl, or give --alignments a file",
            )
        if len(self.fields) > 1:
            self._check_several_fields(is_table)

    def _check_several_fields(self, is_table: bool) -> None:
        if not self.passes_through:
            raise MtkitError(
                f"several fields cannot be written as {self.format}",
                f"leave out --format, or write {self.input_format}",
            )
        if self.n_best is not None and is_table:
            raise MtkitError(
                "n-best translations of several fields cannot be written to a table",
                "translate one field, or JSON Lines",
            )
        if self.alignments == "file":
            raise MtkitError(
                "a file of alignments needs a single field to translate",
                "give --field once; JSON Lines can contain the alignments of several fields: "
                "--alignments inline",
            )

    @classmethod
    def for_file(
        cls,
        path: Path | str,
        input_format: LineFormat | Literal["auto"] = "auto",
        **options: object,
    ) -> Self:
        """Make options for a file, whose format is guessed from its name if it is auto.

        .tsv, .csv and .jsonl are tables, compressed or not; anything else is text.
        """
        if input_format == "auto":
            plain = without_compression_suffix(Path(path))
            ending = plain.suffix.lower().removeprefix(".")
            input_format = cast(LineFormat, ending) if ending in _FORMATS else "text"
        return cls(input_format=input_format, **options)  # type: ignore[arg-type]

    @property
    def format(self) -> LineFormat:
        """Format of the output."""
        return self.output_format or self.input_format

    @property
    def passes_through(self) -> bool:
        """Whether the rest of a line is written with its translations."""
        return self.format == self.input_format and self.input_format != "text"

    @property
    def needs_header(self) -> bool:
        """Whether the first line of the input is a header, to be passed to `with_header`."""
        return self.input_format in ("tsv", "csv") and (
            self.has_header
            or not all(map(str.isdecimal, self.fields))
            or not (self.document_field or "1").isdecimal()
        )

    def names_of_added(self) -> tuple[str, ...]:
        """Return the names of added translations that were not given one."""
        return (
            ("translation",)
            if len(self.fields) == 1
            else tuple(f"translation_{field}" for field in self.fields)
        )

    def with_header(self, line: str) -> Self:
        """Return the same options with the first line of the input."""
        return replace(self, header_line=line)

"""How lines of input are read and lines of output written: plain values, which any process can be told."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self, cast, get_args

from mtkit.errors import MtkitError
from mtkit.io.compression import SUFFIXES

LineFormat = Literal["text", "tsv", "csv", "jsonl"]

_FORMATS: tuple[str, ...] = get_args(LineFormat)


@dataclass(frozen=True)
class LineOptions:
    """What a line of input is, what of it is translated, and what is written of the translation.

    Where the output has the input's format, a line comes out as it was but for the translations, which are added or put in a field's place.
    Where it has another, the translations come alone.

    Raises:
        MtkitError: The options contradict each other.
    """

    input_format: LineFormat = "text"
    """text: the line is translated; tsv, csv: a row of columns; jsonl: a JSON object."""
    output_format: LineFormat | None = None
    """None is the input's."""
    fields: tuple[str, ...] = ()
    """Which columns are translated: numbers from 1 or, where there is a header line, names; of JSON objects keys, as in text or doc.text."""
    fields_out: tuple[str, ...] = ()
    """Where their translations go, likewise: a field that there is is replaced, another one is added at the end. None given: added."""
    has_header: bool = False
    """Whether the first line of input names the columns; a name among `fields` says so too."""
    header_line: str | None = None
    """That line, once it is read; see `with_header`."""
    details: bool = False
    """Whether score and flags come with each translation (in JSON, its alignment too if it was asked for); without a table they do anyway."""
    n_best: int | None = None
    """How many translations of each line are written; None is the best, without its number."""

    def __post_init__(self) -> None:
        is_table = self.input_format in ("tsv", "csv")
        if self.input_format == "text":
            if self.fields or self.fields_out or self.has_header:
                raise MtkitError(
                    "plain text has no fields and no header",
                    "say what the input is: --input-format tsv, csv or jsonl",
                )
        elif not self.fields:
            raise MtkitError(
                f"no field to translate of the {self.input_format}",
                "name it with --field, or give --input-format text",
            )
        if self.fields_out and len(self.fields_out) != len(self.fields):
            counts = f"{len(self.fields)} fields to translate, but {len(self.fields_out)} for translations"
            raise MtkitError(counts, "give --field-out once for each --field")
        if len(set(self.fields_out)) < len(self.fields_out):
            raise MtkitError(
                f"two translations would go to one field, {self.fields_out[0]}",
                "name a field for each",
            )
        if is_table and any(field == "0" for field in (*self.fields, *self.fields_out)):
            raise MtkitError("there is no field 0", "fields are counted from 1")
        if self.has_header and self.input_format == "jsonl":
            raise MtkitError("JSON lines have no header", "leave out --header")
        if is_table and not self.needs_header and not all(map(str.isdecimal, self.fields_out)):
            raise MtkitError(
                "a field has a name only where there is a header",
                "give --header, or the field's number",
            )
        if self.details and self.format == "text":
            raise MtkitError("plain text has no place for details", "write --format jsonl or tsv")
        if len(self.fields) > 1:
            if not self.passes_through:
                raise MtkitError(
                    f"several fields cannot be written as {self.format}",
                    f"leave out --format, or write {self.input_format}",
                )
            if self.n_best is not None and is_table:
                raise MtkitError(
                    "the n best of several fields have no place in a table",
                    "translate one field, or JSON lines",
                )

    @classmethod
    def for_file(
        cls,
        path: Path | str,
        input_format: LineFormat | Literal["auto"] = "auto",
        **options: object,
    ) -> Self:
        """Options for a file whose name may say what it is: .tsv, .csv and .jsonl, packed or not, are tables; anything else is text."""
        if input_format == "auto":
            name = Path(path)
            ending = (
                (name.with_suffix("") if name.suffix.lower() in SUFFIXES else name)
                .suffix.lower()
                .removeprefix(".")
            )
            input_format = cast(LineFormat, ending) if ending in _FORMATS else "text"
        return cls(input_format=input_format, **options)  # type: ignore[arg-type]

    @property
    def format(self) -> LineFormat:
        """What is written."""
        return self.output_format or self.input_format

    @property
    def passes_through(self) -> bool:
        """Whether the rest of a line comes out beside its translations."""
        return self.format == self.input_format and self.input_format != "text"

    @property
    def needs_header(self) -> bool:
        """Whether the first line of the input is no record: whoever reads the file takes it off and hands it to `with_header`."""
        return self.input_format in ("tsv", "csv") and (
            self.has_header or not all(map(str.isdecimal, self.fields))
        )

    def names_of_added(self) -> tuple[str, ...]:
        """What translations are called that are added under no other name."""
        return (
            ("translation",)
            if len(self.fields) == 1
            else tuple(f"translation_{field}" for field in self.fields)
        )

    def with_header(self, line: str) -> Self:
        """The same options with the input's first line."""
        return replace(self, header_line=line)

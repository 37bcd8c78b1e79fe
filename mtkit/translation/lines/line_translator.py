"""Lines of input to lines of output: parsing and formatting around a translator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby, islice, takewhile
from operator import attrgetter
from typing import Any

from mtkit.engines.batch_journal import BatchJournal
from mtkit.translation.context import Context, sliding_contexts
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.output import write_alone
from mtkit.translation.lines.records import (
    ChunkResult,
    LineChunk,
    OutputLine,
    Record,
    RecordReader,
)
from mtkit.translation.result import FlagCounts, Translation, pharaoh
from mtkit.translation.translator import Translator


class LineTranslator:
    """Translates chunks of lines.

    The output for a line depends only on that line and its number, so an input may be cut anywhere
    between lines. The header line of a table is not part of a chunk: see `LineOptions.with_header`.

    Args:
        translator: Translates the texts.
        options: Formats of input and output.
        names: Names of the input and of the file of constraints, for errors.
        n_context: Number of previous texts of the same field that each is translated with.
        search: Arguments of `Translator.stream`, such as fields of `SearchConfig`.
    Raises:
        MtkitError: The header line lacks a field.
    """

    def __init__(
        self,
        translator: Translator,
        options: LineOptions = LineOptions(),
        names: tuple[str, str] = ("stdin", "constraints"),
        n_context: int = 0,
        **search: Any,
    ) -> None:
        self.translator, self.options, self.names = translator, options, names
        self.n_context = n_context
        self.search = search
        if options.n_best is not None:
            self.search["n_best"] = options.n_best
        if options.alignments is not None:
            self.search["alignments"] = True
        self._reader = _record_reader(options, names[0])

    def __call__(
        self, chunk: LineChunk, on_lines: Callable[[int], None] | None = None
    ) -> ChunkResult:
        """Translate a chunk.

        Args:
            chunk: The lines.
            on_lines: Called with a number of lines whenever that many more are finished.
        Raises:
            MtkitError: A line does not have the format that the options name, or its constraints
                cannot be satisfied.
        """
        records = [
            self._reader.read(line.text, f"`{self.names[0]}`: line {number}")
            for number, line in enumerate(chunk.lines, chunk.first_number)
        ]
        texts = [text for record in records for text in record.texts]
        with self._progress(chunk, len(texts), on_lines) as options:
            translations = self.translator.stream(
                texts,
                chunk_lines=max(len(texts), 1),
                **options,
                **self._constraints(chunk),
                **self._contexts(chunk, records),
                **self.search,
            )
            return self._result(chunk, records, translations)

    @contextmanager
    def _progress(
        self, chunk: LineChunk, n_texts: int, on_lines: Callable[[int], None] | None
    ) -> Iterator[dict[str, Any]]:
        """Enter a context with the journal of a chunk, if it has one.

        Yields:
            The arguments of `Translator.stream` that keep finished batches and report progress.
        """
        path, n_lines = chunk.journal_path, len(chunk.lines)
        with BatchJournal(path) if path is not None else nullcontext() as journal:

            def count(n: int) -> None:
                if journal is not None:
                    journal.count_lines(n)
                if on_lines is not None:
                    on_lines(n)

            if journal is None and on_lines is None:
                yield {}
                return
            options: dict[str, Any] = {
                "on_lines": count if n_texts == n_lines else _in_proportion(count, n_texts, n_lines)
            }
            yield options if journal is None else options | {"journal": journal}

    def _constraints(self, chunk: LineChunk) -> dict[str, Any]:
        """Return the prefixes and constraints as arguments of `Translator.stream`."""
        options: dict[str, Any] = {}
        if any(line.prefix for line in chunk.lines):
            options["prefixes"] = [line.prefix for line in chunk.lines]
        if any(line.constraints for line in chunk.lines):
            from mtkit.translation.line_constraints import parse_constraints

            options["constraints"] = [
                parse_constraints(line.constraints, number, self.names[1])
                for number, line in enumerate(chunk.lines, chunk.first_number)
            ]
        return options

    def _contexts(self, chunk: LineChunk, records: list[Record]) -> dict[str, Any]:
        """Return the contexts of all texts as arguments of `Translator.stream`.

        The texts of a field are one document as long as its name is the same; a blank text ends it.
        """
        if not self.n_context:
            return {}
        first = chunk.first_number - len(chunk.before)
        before = [
            self._reader.read(text, f"`{self.names[0]}`: line {number}")
            for number, text in enumerate(chunk.before, first)
        ]
        contexts: list[Context] = []
        for document, rows in groupby(records, attrgetter("document")):
            # Only the records of the same document that directly precede these.
            same = takewhile(lambda one: one.document == document, reversed(before))  # noqa: B023
            previous = [record.texts for record in same][::-1]
            contexts += _contexts_of_document([row.texts for row in rows], previous, self.n_context)
            before = []
        return {"contexts": contexts}

    def _result(
        self, chunk: LineChunk, records: list[Record], translations: Iterator[Translation]
    ) -> ChunkResult:
        lines, flags = [], FlagCounts()
        for number, record in enumerate(records, chunk.first_number):
            found = list(islice(translations, len(record.texts)))
            flags.add_line(flag for translation in found for flag in translation.flags)
            lines.append(self._output(record, number, found))
        header = self._reader.header() if chunk.is_first else None
        return ChunkResult(lines, flags, None if header is None else OutputLine(header, ""))

    def _output(self, record: Record, number: int, found: list[Translation]) -> OutputLine:
        alignment = found[0].alignment or ()
        if self.options.alignments == "file":
            found = [one._replace(alignment=None) for one in found]
        if self.options.passes_through:
            # As the input's last CR before an LF belongs to the line end, so would the output's.
            text = record.write(found).rstrip("\r")
        else:
            text = write_alone(found[0], number, self.options.format, self.options.n_best)
        if self.options.alignments != "file":
            return OutputLine(text)
        return OutputLine(text, pharaoh(alignment))


class _TextReader:
    """Reads lines of plain text."""

    def read(self, line: str, where: str) -> Record:
        return Record([line], lambda found: found[0].text)

    def header(self) -> None:
        return None


def _record_reader(options: LineOptions, name: str) -> RecordReader:
    if options.input_format == "text":
        return _TextReader()
    if options.input_format == "jsonl":
        from mtkit.translation.lines.json_lines import JsonLineReader

        return JsonLineReader(options)
    from mtkit.translation.lines.rows import RowReader

    return RowReader(options, name)


def _contexts_of_document(rows: list[list[str]], before: list[list[str]], n: int) -> list[Context]:
    """Return the contexts of the texts of a document, row by row; each field has its own."""
    n_fields = max(map(len, rows), default=0)
    columns = [sliding_contexts(_column(rows, i), n, _column(before, i)) for i in range(n_fields)]
    return [
        context
        for row, contexts in zip(rows, zip(*columns, strict=True), strict=True)
        for context in contexts[: len(row)]
    ]


def _column(rows: list[list[str]], index: int) -> list[str]:
    return [row[index] if index < len(row) else "" for row in rows]


def _in_proportion(
    on_lines: Callable[[int], None], n_texts: int, n_lines: int
) -> Callable[[int], None]:
    """Return a callback for texts that reports lines; a line may have several texts, or none."""
    n_done = 0

    def report(n: int) -> None:
        nonlocal n_done
        before, n_done = n_done, n_done + n
        on_lines(n_done * n_lines // n_texts - before * n_lines // n_texts)

    return report

"""Lines of input to lines of output: whatever is parsed and formatted around a translator."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from mtkit.engines.batch_journal import BatchJournal
from mtkit.errors import MtkitError
from mtkit.translation.lines.flag_counts import FlagCounts
from mtkit.translation.lines.json_lines import JsonLineReader
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.output import write_alone
from mtkit.translation.lines.records import Record, RecordReader
from mtkit.translation.lines.rows import RowReader
from mtkit.translation.result import Translation
from mtkit.translation.translator import Translator

_MAX_CHUNK_CHARS = 1 << 22


class LineTranslator:
    """Turns each line of input into what is written for it, which with the n best may be several lines.

    What is written for a line depends on that line and its number alone, so that an input may be cut anywhere between lines and shared.
    Whoever does so takes the header line off, where `options.needs_header`, and hands it to `options.with_header`.

    Args:
        translator: Translates the texts.
        options: What a line is, and what is written.
        name: What errors call the input.
        search: Fields of `SearchConfig`, in place of the model's own settings.
    Raises:
        MtkitError: The header line lacks a field.
    """

    def __init__(
        self,
        translator: Translator,
        options: LineOptions | None = None,
        name: str = "stdin",
        **search: Any,
    ) -> None:
        self.translator = translator
        self.options = options or LineOptions()
        self.name = name
        self.search = (
            search if self.options.n_best is None else {**search, "n_best": self.options.n_best}
        )
        self._flags = FlagCounts()
        self._reader = _reader(self.options, name)

    def header(self) -> str | None:
        """The first line of the output, where it has one that is no record's."""
        return self._reader.header()

    def take_flags(self) -> FlagCounts:
        """Return how many lines were flagged since the last call, by flag, and forget them."""
        flags, self._flags = self._flags, FlagCounts()
        return flags

    def __call__(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        on_lines: Callable[[int], None] | None = None,
        journal_path: Path | None = None,
    ) -> list[str]:
        """Translate some lines.

        Args:
            lines: Without line ends, and without the header line.
            first_number: That of the first of them within the whole input, counted from 1, the header line included; errors and n-best lists tell it.
            on_lines: Called with a number of lines whenever so many more are translated.
            journal_path: Where to keep finished batches, and to take those from that an interrupted run has left.
        Returns:
            For each line in order what is written for it: one line, or several with LF between them; no LF at the end.
        Raises:
            MtkitError: A line is not as the options say.
        """
        records = [
            self._reader.read(line, f"`{self.name}`: line {number}")
            for number, line in enumerate(lines, first_number)
        ]
        texts = [text for record in records for text in record.texts]
        with self._journal(journal_path, on_lines) as count:
            tell = (
                count
                if count is None or len(texts) == len(lines)
                else _in_proportion(count, len(texts), len(lines))
            )
            found = iter(
                self.translator.stream(
                    texts, chunk_lines=max(len(texts), 1), on_lines=tell, **self.search
                )
            )
            return [
                self._written(record, number, found)
                for number, record in enumerate(records, first_number)
            ]

    @contextmanager
    def _journal(
        self, path: Path | None, on_lines: Callable[[int], None] | None
    ) -> Iterator[Callable[[int], None] | None]:
        """A context in which finished batches are kept in a file; yields the callback for numbers of finished lines."""
        if path is None:
            yield on_lines
            return

        def count(n: int) -> None:
            journal.count_lines(n)
            if on_lines is not None:
                on_lines(n)

        with BatchJournal(path) as journal:
            self.translator.journal = journal
            try:
                yield count
            finally:
                self.translator.journal = None

    def _written(self, record: Record, number: int, found: Iterator[Translation]) -> str:
        translations = list(islice(found, len(record.texts)))
        self._flags.update(
            FlagCounts.of([[flag for translation in translations for flag in translation.flags]])
        )
        if self.options.passes_through:
            # As the input's last CR before an LF belongs to the line end, so would the output's.
            return record.write(translations).rstrip("\r")
        return write_alone(translations[0], number, self.options.format, self.options.n_best)


def line_chunks(lines: Iterator[str], chunk_lines: int) -> Iterator[list[str]]:
    """So many lines at a time, fewer where they are very long; what came before a line that cannot be read comes before the error."""
    while True:
        chunk: list[str] = []
        n_chars = 0
        try:
            for line in islice(lines, chunk_lines):
                chunk.append(line)
                n_chars += len(line)
                if n_chars > _MAX_CHUNK_CHARS:
                    break
        except MtkitError:
            if chunk:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk


class _TextReader:
    """The line is the text."""

    def read(self, line: str, where: str) -> Record:
        """See `RecordReader`."""
        return Record([line], lambda found: found[0].text)

    def header(self) -> None:
        """There is none."""


def _reader(options: LineOptions, name: str) -> RecordReader:
    if options.input_format == "text":
        return _TextReader()
    return JsonLineReader(options) if options.input_format == "jsonl" else RowReader(options, name)


def _in_proportion(
    on_lines: Callable[[int], None], n_texts: int, n_lines: int
) -> Callable[[int], None]:
    """Tell of lines where texts are counted, of which a line may have several, or none."""
    n_done = 0

    def tell(n: int) -> None:
        nonlocal n_done
        before, n_done = n_done, n_done + n
        on_lines(n_done * n_lines // n_texts - before * n_lines // n_texts)

    return tell

"""Documents in which some values are texts, and everything else is kept."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mtkit.documents.messages import MessageDocument
from mtkit.documents.segment import Edit, Segment, Translated, apply_edits


@dataclass(frozen=True)
class Value:
    """A value in the file."""

    begin: int
    """First character in the file, quotation marks included."""
    end: int
    """Character after the last one."""
    text: str


@dataclass
class ValueDocument(MessageDocument):
    """Values of a file, which are messages. Its text is that of the values, one after another."""

    source: str = ""
    """The file."""
    values: list[Value] = field(default_factory=list)
    """Values that may be translated, in order."""
    begins: list[int] = field(default_factory=list)
    """First character of each value in the text of the document."""

    def add_values(self, values: Sequence[Value], tgt_lang: str) -> None:
        """Add all values, and read their segments."""
        self.values = list(values)
        end = 0
        for value in values:
            self.begins.append(end)
            end += len(value.text)
        self.text = "".join(value.text for value in values)
        for begin, value in zip(self.begins, values, strict=True):
            self.add_message(begin, begin + len(value.text), tgt_lang)

    @abstractmethod
    def written_value(self, value: Value, text: str) -> str:
        """Return how another text is written in the place of a value."""

    def line(self, segment: Segment) -> int:
        """Return the line of the file where the value of a segment begins, from 1."""
        return bisect_right(self._line_ends_of_file, self._value(segment).begin) + 1

    @cached_property
    def _line_ends_of_file(self) -> list[int]:
        return [index for index, char in enumerate(self.source) if char == "\n"]

    def _index(self, segment: Segment) -> int:
        return bisect_right(self.begins, segment.begin) - 1

    def _value(self, segment: Segment) -> Value:
        return self.values[self._index(segment)]

    def new_texts(self, translated: Sequence[Translated]) -> dict[int, str]:
        """Return the new text of each value that changes, by its index."""
        edits = self.all_edits(translated)
        texts: dict[int, str] = {}
        for index in sorted({self._index(one.segment) for one in translated}):
            begin, value = self.begins[index], self.values[index]
            text = apply_edits(self.text, edits, begin, begin + len(value.text))
            if text != value.text:
                texts[index] = text
        return texts

    def write(self, translated: Sequence[Translated]) -> str:
        """Return the file with translated segments; all other values are unchanged."""
        texts = self.new_texts(translated)
        return self.with_written(
            {index: self.written_value(self.values[index], text) for index, text in texts.items()}
        )

    def with_written(self, written: Mapping[int, str]) -> str:
        """Return the file with some values, by their indices, in place of its own."""
        edits = [
            Edit(self.values[index].begin, self.values[index].end, text)
            for index, text in written.items()
        ]
        return apply_edits(self.source, edits, 0, len(self.source))

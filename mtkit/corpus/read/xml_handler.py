"""Handler of the events of an XML parser, for corpora in XML that are read as a stream."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from xml.parsers import expat

from mtkit.corpus.read.columns import encoding_lang
from mtkit.corpus.sentence_pair import SentencePair, SideSpecs
from mtkit.errors import MtkitError
from mtkit.io.text import invalid_utf8_hint


class XmlHandler(ABC):
    """Builds pairs from the elements of a document. Entities are refused.

    Args:
        name: Name of the file in errors.
        sides: The languages.
        root: Name of the first element, without prefix.
    """

    def __init__(self, name: str, sides: SideSpecs, root: str) -> None:
        self.name, self.root = name, root
        self.telling_lang = encoding_lang(sides)
        self.pairs: list[SentencePair] = []
        self.n_fed = 0
        self.has_root = False
        self.parts: list[str] | None = None
        """Parts of the text that is read; None outside such text."""
        self.starts: list[tuple[int, dict[str, str]]] = []
        """For each open element in the text, the index in `parts` at which it begins, and its
        attributes."""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.SkippedEntityHandler = self._refuse_entity

    def read(self, blocks: Generator[bytes, None, None]) -> Iterator[SentencePair]:
        """Yield the pairs of a document, given its bytes."""
        with closing(blocks):
            for block in blocks:
                yield from self._feed(block)
            yield from self._feed(b"", is_last=True)

    @abstractmethod
    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle the start of an element outside text, which may begin text."""

    @abstractmethod
    def end(self, tag: str) -> None:
        """Handle the end of an element outside text."""

    @abstractmethod
    def end_text(self, text: str) -> None:
        """Handle the end of the element that began text."""

    @abstractmethod
    def inline_text(self, tag: str, attributes: dict[str, str], content: str) -> str:
        """Return the text of an element within text."""

    def begin_text(self) -> None:
        """Read the text of the element that has just started."""
        self.parts = []
        self.parser.CharacterDataHandler = self.parts.append

    def _feed(self, block: bytes, *, is_last: bool = False) -> list[SentencePair]:
        """Parse the next bytes, and return the pairs that they complete."""
        try:
            self.parser.Parse(block, is_last)
        except expat.ExpatError as exc:
            raise MtkitError(f"`{self.name}`: broken XML: {exc}", self._hint(block)) from None
        except (LookupError, ValueError) as exc:  # raised for the encoding that the file declares
            hint = (
                "convert it with `iconv -f ENCODING -t UTF-8`, and write "
                'encoding="UTF-8" in its first line'
            )
            raise MtkitError(f"`{self.name}`: cannot be read: {exc}", hint) from None
        self.n_fed += len(block)
        pairs, self.pairs = self.pairs, []
        return pairs

    def _hint(self, block: bytes) -> str:
        position = self.parser.ErrorByteIndex - self.n_fed
        if 0 <= position < len(block) and block[position] >= 0x80:
            return invalid_utf8_hint(block, self.name, self.telling_lang)
        return "the file is truncated or damaged; download it again"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.parts is not None:
            self.starts.append((len(self.parts), attributes))
            return
        if not self.has_root:
            self.has_root = True
            if tag.rpartition(":")[2] != self.root:
                raise MtkitError(
                    f"`{self.name}`: not {self.root.upper()}: it begins with <{tag}>, "
                    f"not <{self.root}>",
                    "check the path, or set `format` of that corpus",
                )
        self.start(tag, attributes)

    def _end(self, tag: str) -> None:
        if self.parts is None:
            self.end(tag)
        elif self.starts:
            start, attributes = self.starts.pop()
            content = "".join(self.parts[start:])
            self.parts[start:] = [self.inline_text(tag, attributes, content)]
        else:
            text, self.parts = "".join(self.parts), None
            self.parser.CharacterDataHandler = None
            self.end_text(text)

    def _refuse_entity(self, entity: str, *_: object) -> None:
        line = self.parser.CurrentLineNumber
        raise MtkitError(
            f"`{self.name}`: line {line} declares or uses the entity {entity}; "
            "entities are not supported",
            "replace it with its text",
        )


def refuse_columns(sides: SideSpecs, name: str, format: str) -> None:
    """Refuse columns of a corpus in a format that has languages instead.

    Raises:
        MtkitError: The recipe specifies a column.
    """
    for side in sides:
        if side.column is not None:
            raise MtkitError(
                f"`{name}`: {side.key} is set, but {format} has languages instead of columns",
                f"set {side.key[:3]}_lang of that corpus instead",
            )

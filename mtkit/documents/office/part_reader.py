"""Reads a part in XML: its tokens, and the ranges of them that contain paragraphs."""

from mtkit.documents.office.names import short_name
from mtkit.documents.segment import Document
from mtkit.documents.xml_tokens import matching_ends, tokenize


class PartReader:
    """Collects the segments of a part in XML.

    Args:
        document: The part, without its segments.
        where: Its name in errors.
    """

    def __init__(self, document: Document, where: str) -> None:
        self.document, self.text = document, document.text
        self.tokens = tokenize(self.text, where)
        self.names = [short_name(token.name) for token in self.tokens]
        self.ends = matching_ends(self.tokens)
        self.pending: list[tuple[int, int]] = []
        """Ranges of tokens that have to be scanned for paragraphs, such as those of text boxes."""

    def read(self) -> Document:
        """Return the part with its segments in order."""
        self.pending.append((0, len(self.tokens)))
        while self.pending:
            index, end = self.pending.pop()
            while index < end:
                index = self.scan(index)
        self.document.segments.sort(key=lambda segment: segment.begin)
        return self.document

    def scan(self, index: int) -> int:
        """Read a token outside paragraphs, and return the index of the next one."""
        raise NotImplementedError

    def is_start(self, index: int, *names: str) -> bool:
        """Return whether a token begins an element of one of the names."""
        return self.tokens[index].kind in ("start", "empty") and self.names[index] in names

    def attributes(self, index: int) -> dict[str, str]:
        """Return the attributes of a tag by their short names."""
        return {short_name(key): value for key, value in self.tokens[index].attributes.items()}

    def remark(self, what: str) -> None:
        """Count something unusual."""
        self.document.remarks[what] = self.document.remarks.get(what, 0) + 1

"""A document in a ZIP archive: some of its members are parts with text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mtkit.documents.encoding import Encoding, decode
from mtkit.documents.office.content_types import CONTENT_TYPES, read_content_types
from mtkit.documents.segment import Document, Segment, Translated
from mtkit.documents.xml_tokens import check_written
from mtkit.errors import MtkitError
from mtkit.io.zip_archive import ZipArchive

SIGNATURES = "digital signatures that are no longer valid"
"""Remark on a signed document."""


def media_type(archive: ZipArchive) -> str:
    """Return the media type of a package, without `application/`.

    Raises:
        MtkitError: It has none.
    """
    if "mimetype" in archive:
        kind = archive.read("mimetype")[:200].decode(errors="replace").strip()
        return kind.removeprefix("application/")
    if CONTENT_TYPES in archive:
        kinds = read_content_types(archive).values()
        return next((kind for kind in kinds if kind.endswith(".main+xml")), "")
    raise MtkitError(
        f"`{archive.name}`: is a ZIP archive, but not an office document or an EPUB book",
        "unpack it, and give the files in it",
    )


def read_text(archive: ZipArchive, name: str) -> tuple[str, Encoding]:
    """Return the text of a member in XML, and its encoding."""
    return decode(archive.read(name), f"{archive.name}: {name}", declares_encoding=True)


@dataclass
class Package(Document):
    """A document in a ZIP archive. Members without changes keep their compressed bytes."""

    archive: ZipArchive = field(kw_only=True)
    parts: list[tuple[str, Document]] = field(default_factory=list)
    """Name of each member with text, and its document."""

    def add(self, name: str, part: Document, encoding: Encoding) -> None:
        """Add a part with its segments, which is written in its encoding."""
        part.encoding = encoding
        number = len(self.parts)
        self.parts.append((name, part))
        self.segments += [replace(segment, part=number) for segment in part.segments]
        for remark, n in part.remarks.items():
            self.remarks[remark] = self.remarks.get(remark, 0) + n

    def fits(self, translated: Translated) -> bool:
        """Return whether a translation can be written into its part."""
        return self.parts[translated.segment.part][1].fits(translated)

    def part_name(self, segment: Segment) -> str | None:
        """Return the name of the member that a segment is in."""
        return self.parts[segment.part][0]

    def line(self, segment: Segment) -> int:
        """Return the line of the member where a segment begins."""
        return self.parts[segment.part][1].line(segment)

    def encode(self, translated: Sequence[Translated], name: str) -> bytes:
        """Return the archive with translated segments.

        Raises:
            MtkitError: A part would not be well-formed, or its encoding lacks a character.
        """
        if not translated:
            return self.archive.archive_bytes
        by_part: list[list[Translated]] = [[] for _ in self.parts]
        for one in translated:
            by_part[one.segment.part].append(one)
        contents: dict[str, bytes] = {}
        for (member, part), changed in zip(self.parts, by_part, strict=True):
            if changed or part.marks:
                where = f"{name}: {member}"
                text = part.write(changed)
                check_written(text, where)
                contents[member] = part.encoding.encode(text, part.encoding_errors, where)
        return self.archive.replaced(contents)

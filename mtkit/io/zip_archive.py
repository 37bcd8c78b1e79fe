"""ZIP archives from others: read with limits, and rewritten with all but a few members unchanged.

APPNOTE.TXT, version 6.3.10. The format says most things twice and allows data anywhere, so that
programs may see different members in the same file; here, everything has to agree.
"""

import re
import stat
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.file_type import OLD_OFFICE_MARK

MAX_MEMBERS = 20_000
MAX_MEMBER_BYTES = 1 << 27
"""Maximum size of a member when it is read, decompressed: 128 MiB."""
MAX_TOTAL_BYTES = 1 << 28
"""Maximum size of all members that are read, decompressed: 256 MiB."""
MAX_RATIO, _MIN_RATIO_BYTES = 250, 1 << 20
"""Maximum size of a member in relation to its compressed size, from 1 MiB on."""

_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END_MARK, _CENTRAL_MARK, _LOCAL_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4"
_MAX_COMMENT_BYTES = 0xFFFF
_STORED, _DEFLATED = 0, 8
_IS_ENCRYPTED, _HAS_DESCRIPTOR, _IS_UTF8 = 0x2041, 0x8, 0x800
_ZIP64_EXTRA = 0x0001
_UNSAFE_NAME = re.compile(r"/|.*(?:^|/)\.\.?(?:/|$)|[A-Za-z]:|.*[\0-\x1f\\]", re.DOTALL)
_READ_BYTES = 1 << 20

_DAMAGED = "the file is truncated or damaged; open and save it with the program that wrote it"
_REPACK = "open and save it with the program that wrote it, or pack it again"
_TOO_LARGE = "the file is too large, or a ZIP bomb; split the document"


def is_zip(data: bytes) -> bool:
    """Return whether a file begins as a ZIP archive does."""
    return data.startswith((_LOCAL_MARK, _END_MARK))


class _Member(NamedTuple):
    """A file in an archive."""

    central: tuple[int, int]
    """Span of its entry in the central directory."""
    flags: int
    method: int
    crc: int
    n_compressed: int
    n_bytes: int
    begin: int
    """Offset of its local header."""
    data: int
    """Offset of its compressed data."""
    end: int
    """Offset of the next member, or of the central directory."""


class ZipArchive:
    """A ZIP archive in memory.

    Args:
        data: The bytes of the archive.
        name: Its name in errors.
    Raises:
        MtkitError: It is truncated, encrypted, not a ZIP archive or otherwise damaged; has zip64
            extensions, links, too many members, or names that are unsafe or given twice; or its
            members overlap.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.archive_bytes, self.name = data, name
        self._n_read = 0
        if data.startswith(OLD_OFFICE_MARK):
            raise self._error(
                "is encrypted, or a document of an old Microsoft Office",
                "save it without a password, and in a format such as .docx, .pptx or .xlsx",
            )
        if not is_zip(data):
            raise self._error("is not a ZIP archive", "check the file and the format")
        self._end = self._find_end()
        self._members = self._read_directory()

    @property
    def names(self) -> list[str]:
        """Names of the members, in the order of the directory."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a member."""
        return name in self._members

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            MtkitError: There is no such member, it is damaged or too large, or all members that
                were read are too large together.
        """
        member = self._members.get(name)
        if member is None:
            raise self._error(f"lacks {name}", "the file is incomplete, or of another format")
        packed = memoryview(self.archive_bytes)[member.data : member.data + member.n_compressed]
        try:
            content = bytes(packed) if member.method == _STORED else self._inflate(packed, name)
        except zlib.error as exc:
            raise self._error(f"{name} is damaged: {exc}", _DAMAGED) from exc
        self._count(len(content), name)
        if len(content) != member.n_bytes or zlib.crc32(content) != member.crc:
            raise self._error(f"{name} is damaged: wrong size or checksum", _DAMAGED)
        self._n_read += len(content)
        return content

    def _inflate(self, packed: memoryview, name: str) -> bytes:
        """Decompress a member; its bytes are counted, not taken from the header."""
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        parts: list[bytes] = []
        n_bytes = 0
        rest: bytes | memoryview = packed
        while not inflate.eof:
            part = inflate.decompress(rest, _READ_BYTES)
            if not part and not inflate.unconsumed_tail and not inflate.eof:
                raise zlib.error("incomplete data")
            rest = inflate.unconsumed_tail
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > max(_MIN_RATIO_BYTES, MAX_RATIO * len(packed)):
                raise self._error(f"{name} expands to more than {MAX_RATIO} times", _TOO_LARGE)
            self._count(n_bytes, name)
        if inflate.unused_data:
            raise zlib.error("more data than its own")
        return b"".join(parts)

    def _count(self, n_bytes: int, name: str) -> None:
        if n_bytes > MAX_MEMBER_BYTES:
            raise self._error(f"{name} expands to over {MAX_MEMBER_BYTES:,} bytes", _TOO_LARGE)
        if self._n_read + n_bytes > MAX_TOTAL_BYTES:
            raise self._error(f"its text expands to over {MAX_TOTAL_BYTES:,} bytes", _TOO_LARGE)

    def replaced(self, contents: Mapping[str, bytes]) -> bytes:
        """Return the archive with other contents of some members.

        All other members keep their compressed bytes. Order, dates, flags and comments are kept;
        a member that was compressed is compressed.

        Args:
            contents: New bytes of members, by name.
        """
        locals_: list[bytes | memoryview] = []
        central: list[bytes] = []
        data = memoryview(self.archive_bytes)
        begins: dict[str, int] = {}
        headers: dict[str, bytes] = {}
        position = 0
        for name, member in sorted(self._members.items(), key=lambda item: item[1].begin):
            begins[name] = position
            if name in contents:
                local, headers[name] = self._packed(member, contents[name])
                locals_.append(local)
            else:
                locals_.append(data[member.begin : member.end])
            position += len(locals_[-1])
        for name, member in self._members.items():
            entry = headers.get(name) or self.archive_bytes[slice(*member.central)]
            offset = struct.pack("<I", begins[name])
            central.append(entry[:42] + offset + entry[_CENTRAL.size :])
        end = bytearray(data[self._end :])
        struct.pack_into("<2I", end, 12, sum(map(len, central)), position)
        return b"".join([*locals_, *central, end])

    def _packed(self, member: _Member, content: bytes) -> tuple[bytes, bytes]:
        """Return a member with its local header, and its entry for the directory."""
        packed = content
        if member.method == _DEFLATED:
            deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            packed = deflate.compress(content) + deflate.flush()
        sizes = struct.pack("<3I", zlib.crc32(content), len(packed), len(content))
        flags = struct.pack("<H", member.flags & ~_HAS_DESCRIPTOR)
        entry = self.archive_bytes[slice(*member.central)]
        entry = entry[:8] + flags + entry[10:16] + sizes + entry[28:]
        header = self.archive_bytes[member.begin : member.data]
        n_name = int.from_bytes(header[26:28], "little")
        extra = _without_zip64(header[_LOCAL.size + n_name :])
        local = (
            header[:6]
            + flags
            + header[8:14]
            + sizes
            + struct.pack("<2H", n_name, len(extra))
            + header[_LOCAL.size : _LOCAL.size + n_name]
            + extra
        )
        return local + packed, entry

    def _find_end(self) -> int:
        """Return the offset of the end of the central directory."""
        data = self.archive_bytes
        earliest = max(len(data) - _END.size - _MAX_COMMENT_BYTES, 0)
        end = data.rfind(_END_MARK, earliest)
        if end < 0 or end + _END.size > len(data):
            raise self._error("is a truncated ZIP archive, or has data after its end", _DAMAGED)
        if end + _END.size + _END.unpack_from(data, end)[-1] != len(data):
            raise self._error("has data after the end of the ZIP archive", _REPACK)
        return end

    def _read_directory(self) -> dict[str, _Member]:
        _, disk, first_disk, n_here, n_members, n_directory, begin, _ = _END.unpack_from(
            self.archive_bytes, self._end
        )
        if 0xFFFF in (disk, n_members) or 0xFFFFFFFF in (n_directory, begin):
            raise self._zip64()
        if disk or first_disk or n_here != n_members:
            raise self._error("is one of several parts of a ZIP archive", _REPACK)
        if n_members > MAX_MEMBERS:
            raise self._error(f"has over {MAX_MEMBERS:,} members", _TOO_LARGE)
        if begin + n_directory != self._end:
            raise self._error("has data before, within or after the ZIP archive", _REPACK)
        members: dict[str, _Member] = {}
        position = begin
        for _ in range(n_members):
            name, member = self._read_entry(position)
            if name in members:
                raise self._error(f"contains {name!r} twice", _REPACK)
            members[name] = member
            position = member.central[1]
        if position != self._end:
            raise self._error("its directory has another size than it says", _DAMAGED)
        return self._with_data(members, begin)

    def _read_entry(self, begin: int) -> tuple[str, _Member]:
        if begin + _CENTRAL.size > self._end:
            raise self._error("its directory is incomplete", _DAMAGED)
        fields = _CENTRAL.unpack_from(self.archive_bytes, begin)
        mark, system, _, flags, method, _, _, crc, n_compressed, n_bytes = fields[:10]
        n_name, n_extra, n_comment, disk, _, attributes, offset = fields[10:]
        end = begin + _CENTRAL.size + n_name + n_extra + n_comment
        if mark != _CENTRAL_MARK or end > self._end or disk:
            raise self._error("its directory is damaged", _DAMAGED)
        raw = self.archive_bytes[begin + _CENTRAL.size : begin + _CENTRAL.size + n_name]
        try:
            name = raw.decode("utf-8" if flags & _IS_UTF8 else "cp437")
        except UnicodeDecodeError as exc:
            raise self._error(f"the name {raw!r} is not UTF-8", _REPACK) from exc
        if _UNSAFE_NAME.match(name) or not name:
            raise self._error(f"contains the unsafe name {name!r}", _REPACK)
        if 0xFFFFFFFF in (n_compressed, n_bytes, offset):
            raise self._zip64()
        if flags & _IS_ENCRYPTED:
            raise self._error(f"{name} is encrypted", "save it without a password")
        if method not in (_STORED, _DEFLATED):
            raise self._error(f"{name} is compressed by method {method}, not deflate", _REPACK)
        if system >> 8 == 3 and stat.S_ISLNK(attributes >> 16):
            raise self._error(f"{name} is a symbolic link", _REPACK)
        member = _Member((begin, end), flags, method, crc, n_compressed, n_bytes, offset, 0, 0)
        return name, member

    def _with_data(self, members: dict[str, _Member], directory: int) -> dict[str, _Member]:
        """Find the data of members by their local headers, which must not overlap."""
        ordered = sorted(members.items(), key=lambda item: item[1].begin)
        if (ordered[0][1].begin if ordered else directory) != 0:
            raise self._error("has data before the ZIP archive", _REPACK)
        ends = [*(member.begin for _, member in ordered), directory][1:]
        for (name, member), end in zip(ordered, ends, strict=True):
            if member.begin + _LOCAL.size > directory:
                raise self._error(f"{name} is not within the archive", _DAMAGED)
            fields = _LOCAL.unpack_from(self.archive_bytes, member.begin)
            names = member.begin + _LOCAL.size
            raw = self.archive_bytes[names : names + fields[-2]]
            entry = member.central[0] + _CENTRAL.size
            n_name = _CENTRAL.unpack_from(self.archive_bytes, member.central[0])[10]
            begin = names + fields[-2] + fields[-1]
            if (
                fields[0] != _LOCAL_MARK
                or fields[3] != member.method
                or fields[2] & _IS_ENCRYPTED
                or raw != self.archive_bytes[entry : entry + n_name]
            ):
                raise self._error(f"{name} differs from its entry in the directory", _DAMAGED)
            if begin + member.n_compressed > end:
                raise self._error(f"{name} overlaps another member", _DAMAGED)
            members[name] = member._replace(data=begin, end=end)
        return members

    def _zip64(self) -> MtkitError:
        return self._error("is in the zip64 format, for files of over 4 GiB", _REPACK)

    def _error(self, what: str, hint: str) -> MtkitError:
        return MtkitError(f"`{self.name}`: {what}", hint)


def _without_zip64(extra: bytes) -> bytes:
    """Return the extra fields of a local header without the one that repeats the sizes."""
    kept: list[bytes] = []
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        end = position + 4 + size
        if kind != _ZIP64_EXTRA:
            kept.append(extra[position:end])
        position = end
    return b"".join([*kept, extra[position:]])

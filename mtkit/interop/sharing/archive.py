"""Archives of models: tar files, compressed with gzip or not.

An archive may come from an untrusted source. Only the files of a model are read from it, only
regular ones, and only up to a size that follows from that of the archive. No path in the archive is
ever used as a path.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from mtkit.errors import MtkitError, first_line
from mtkit.interop.sharing.package import PACKAGE_NAMES
from mtkit.io.atomic import atomic_write
from mtkit.io.compression import compressed, without_compression_suffix
from mtkit.io.text import open_binary
from mtkit.io.tokenizer_files import TOKENIZER_DIR_NAME

SUFFIXES = (".tar", ".tar.gz")
_OTHER_SUFFIXES = (".tgz", ".zip", ".tar.xz", ".tar.bz2", ".tar.zst", ".7z", ".gz")
_MAX_MEMBERS = 2 * len(PACKAGE_NAMES)
_MAX_RATIO, _FREE_BYTES = 16, 64 << 20
"""Weights compress to 90 % of their size or so; a small archive may grow more."""
_CHUNK = 1 << 20
"""Bytes that are read at a time; no header of a tar file is larger."""
_HINT = "get it again, or unpack it yourself and look at its files"


def is_archive_name(name: str) -> bool:
    """Whether a path is that of an archive, by its suffix.

    Raises:
        MtkitError: It is another kind of archive.
    """
    lower = name.lower()
    if lower.endswith(SUFFIXES):
        return True
    if lower.endswith(_OTHER_SUFFIXES):
        raise MtkitError(
            f"`{name}`: archives of models are .tar or .tar.gz",
            "give a name with one of these suffixes, or a directory",
        )
    return False


def write_archive(path: Path, contents: Mapping[str, Path | bytes]) -> None:
    """Write an archive; equal contents make equal archives.

    Args:
        path: The archive, whose suffix decides about compression.
        contents: File or content, by name in the archive; there, they are in one directory that is
            named like the archive.
    Raises:
        MtkitError: It cannot be written.
    """
    top = without_compression_suffix(path).stem
    with (
        atomic_write(path) as raw,
        compressed(raw, path.name) as stream,
        tarfile.open(fileobj=stream, mode="w:") as tar,
    ):
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                with open_binary(content) as file:
                    member.size = content.stat().st_size
                    tar.addfile(member, file)


def extract_archive(path: Path, directory: Path) -> None:
    """Extract the files of a model.

    Args:
        path: The archive.
        directory: An empty directory; an incomplete one may be left there if an error is raised.
    Raises:
        MtkitError: The archive is damaged or truncated, contains anything but the files of a
            model, contains one twice, or is a decompression bomb.
    """
    with _open_archive(path) as tar:
        prefix, found = None, set[str]()
        for n_members, member in enumerate(tar):
            if member.size < 0:
                _refuse(path, "is damaged: a size is negative")
            if n_members == _MAX_MEMBERS:
                _refuse(path, f"contains more than {_MAX_MEMBERS} files and directories")
            top, name = _split_name(member.name)
            if prefix not in (None, top):
                _refuse(path, "contains more than one directory of a model")
            if member.isdir() and name in ("", TOKENIZER_DIR_NAME):
                continue
            prefix = top
            shown = repr(member.name[:100])
            if name not in PACKAGE_NAMES:
                _refuse(path, f"contains {shown}, which is not part of a model")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                _refuse(path, f"{shown} in it is a link, a device or a directory, not a file")
            if name in found:
                _refuse(path, f"contains {shown} twice")
            found.add(name)
            _extract(tar, member, directory / name)


def _split_name(member_name: str) -> tuple[str, str]:
    """Return the directory at the top of the archive and the name below; "" for files without."""
    name = member_name.removeprefix("./")
    if name in PACKAGE_NAMES or name in (".", TOKENIZER_DIR_NAME):
        return "", "" if name == "." else name
    top, _, rest = name.partition("/")
    return ("", name) if top in ("", "..") else (top, rest)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None
    with target.open("xb") as out:
        n_left = member.size
        while n_left:
            chunk = source.read(min(n_left, _CHUNK))
            if not chunk:
                raise EOFError
            out.write(chunk)
            n_left -= len(chunk)


@contextmanager
def _open_archive(path: Path) -> Iterator[tarfile.TarFile]:
    with open_binary(path, "the archive") as raw:
        n_bytes = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw, mode="rb") if is_gzip else raw
        bounded = _BoundedReader(cast(BinaryIO, stream), n_bytes * _MAX_RATIO + _FREE_BYTES)
        try:
            with tarfile.open(fileobj=cast(BinaryIO, bounded), mode="r:") as tar:
                yield tar
        except EOFError:
            _refuse(path, "is truncated")
        except (
            *(tarfile.TarError, zlib.error, gzip.BadGzipFile),
            *(ValueError, LookupError, OverflowError, RecursionError),
        ) as exc:
            reason = first_line(exc)[:100].lower()
            _refuse(path, f"not a readable .tar or .tar.gz archive: {reason}")


def _refuse(path: Path, problem: str) -> NoReturn:
    raise MtkitError(f"`{path}`: {problem}", _HINT)


class _BoundedReader:
    """File that is not read beyond an offset, and only a little at a time.

    tarfile reads headers of any length into memory, and skips any number of bytes.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._offset = 0

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= _CHUNK:
            raise tarfile.ReadError("a header in it is too large")
        data = self._stream.read(n_bytes)
        self._offset += len(data)
        self._check()
        return data

    def seek(self, offset: int) -> int:
        self._offset = offset
        self._check()
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._offset

    def _check(self) -> None:
        if self._offset > self._limit:
            raise tarfile.ReadError(
                f"it grows to more than {_MAX_RATIO} times its size when it is decompressed"
            )

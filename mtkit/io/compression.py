"""Compression of text: gzip, xz and zstd.

On reading, the first bytes decide; on writing, the file name.
"""

import gzip
import lzma
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, BinaryIO, Literal, cast

from mtkit.errors import MtkitError

Compression = Literal["gzip", "xz", "zstd"]

_SUFFIXES: dict[str, Compression] = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}
_FIRST_BYTES: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    # Multithreaded zstd writers begin with a skippable frame, of one of 16 kinds.
    **{bytes([kind]) + b"\x2a\x4d\x18": "zstd" for kind in range(0x50, 0x60)},
}
_CHUNK_SIZE = 1 << 14
"""Compressed bytes that are decompressed at a time; text rarely grows more than tenfold."""


def compression_of(name: str | PurePath) -> Compression | None:
    """Return the compression that a file name ends in; None if it ends in something else."""
    return _SUFFIXES.get(PurePath(name).suffix.lower())


def without_compression_suffix(path: Path) -> Path:
    """Return a path without .gz, .xz or .zst at its end."""
    return path.with_suffix("") if compression_of(path) else path


def read_start(blocks: Iterator[bytes], marks: Collection[bytes]) -> bytes:
    """Read blocks until it is known which of some byte sequences they begin with, if any.

    A pipe may deliver its bytes one by one; a terminal need not send more than such a sequence.

    Args:
        blocks: The bytes as they arrive; at least the first block is taken.
        marks: The byte sequences.
    Returns:
        The bytes that were taken.
    """
    start = next(blocks, b"")
    while any(len(start) < len(mark) and mark.startswith(start) for mark in marks):
        more = next(blocks, b"")
        if not more:
            break
        start += more
    return start


def decompressed(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decompress a stream of bytes; bytes that are not compressed are passed through.

    Args:
        blocks: The bytes as they arrive.
        name: Name of the file in errors. If it ends in .gz, .xz or .zst, plain bytes are an error.
    Raises:
        MtkitError: The stream is damaged or truncated, or zstd is not installed.
    """
    start = read_start(blocks, _FIRST_BYTES)
    for mark, compression in _FIRST_BYTES.items():
        if start.startswith(mark):
            return _decompress(chain([start], blocks), compression, name)
    if compression := compression_of(name):
        raise MtkitError(
            f"`{name}`: broken {compression}: it does not begin like such a file",
            f"download it again, or remove {PurePath(name).suffix} from its name if it is plain"
            " text",
        )
    return chain([start], blocks)


def _decompress(blocks: Iterator[bytes], compression: Compression, name: str) -> Iterator[bytes]:
    make_decompressor, error = _decompressor(compression, name)
    hint = "the file is truncated or damaged; download it again"
    decompressor = None
    for chunk in _chunks(blocks):
        while chunk:
            if decompressor is None:
                # A file may consist of several concatenated ones, with zeros between them.
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                decompressor = make_decompressor()
            try:
                data = decompressor.decompress(chunk)
            except error as exc:
                raise MtkitError(
                    f"`{name}`: broken {compression}: {str(exc).lower()}", hint
                ) from None
            if data:
                yield data
            if not decompressor.eof:
                break
            chunk = decompressor.unused_data
            decompressor = None
    if decompressor is not None:
        raise MtkitError(f"`{name}`: broken {compression}: it ends too early", hint)


def _chunks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _CHUNK_SIZE):
            yield block[start : start + _CHUNK_SIZE]


def _decompressor(compression: Compression, name: str) -> tuple[Callable[[], Any], type[Exception]]:
    if compression == "gzip":
        return partial(zlib.decompressobj, wbits=16 + zlib.MAX_WBITS), zlib.error
    if compression == "xz":
        return partial(lzma.LZMADecompressor, lzma.FORMAT_XZ), lzma.LZMAError
    zstandard = _zstandard(name)
    return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError


@contextmanager
def compressed(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Compress what is written if the name ends in .gz, .xz or .zst. Equal text makes equal files.

    Raises:
        MtkitError: zstd is not installed.
    """
    compression = compression_of(name)
    if compression is None:
        yield raw
    else:
        with _compressor(raw, compression, name) as stream:
            yield stream


def _compressor(raw: BinaryIO, compression: Compression, name: str) -> BinaryIO:
    if compression == "gzip":
        return cast(
            BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0)
        )
    if compression == "xz":
        return cast(BinaryIO, lzma.LZMAFile(raw, "wb"))
    return _zstandard(name).ZstdCompressor(write_checksum=True).stream_writer(raw, closefd=False)


def _zstandard(name: str) -> ModuleType:
    try:
        import zstandard
    except ImportError:
        raise MtkitError(
            f"`{name}`: zstd needs the package zstandard, which is not installed",
            "pip install 'mtkit[zstd]'",
        ) from None
    return zstandard

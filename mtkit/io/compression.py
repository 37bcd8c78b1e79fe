"""Packed text: gzip, xz and zstd, known by its first bytes when it is read and by its name when it is written."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import PurePath
from types import ModuleType
from typing import Any, BinaryIO, Literal, cast

from mtkit.errors import MtkitError

Packing = Literal["gzip", "xz", "zstd"]

SUFFIXES: dict[str, Packing] = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}
_FIRST_BYTES: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    # zstd's several-threaded writers begin with a frame to skip, of one of 16 kinds.
    **{bytes([kind]) + b"\x2a\x4d\x18": "zstd" for kind in range(0x50, 0x60)},
}
_PIECE_SIZE = 1 << 14
"""Packed bytes unpacked at a time; text rarely grows more than tenfold."""


def take_start(blocks: Iterator[bytes], marks: Collection[bytes]) -> bytes:
    """Take the first block, and as many more as it takes to see which of the marks they begin with, if any.

    A pipe may hand over the bytes one by one; a terminal is not made to wait for more than a mark.
    """
    start = next(blocks, b"")
    while any(len(start) < len(mark) and mark.startswith(start) for mark in marks):
        more = next(blocks, b"")
        if not more:
            break
        start += more
    return start


def unpacked(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Unpack a stream of bytes; what is not packed stays as it is.

    Args:
        blocks: The bytes as they come.
        name: What errors call the file. Where it ends as a packed file's does, plain bytes are an error.
    Raises:
        MtkitError: It is damaged or cut short, or zstd is not installed.
    """
    start = take_start(blocks, _FIRST_BYTES)
    packing: Packing | None = next(
        (packing for mark, packing in _FIRST_BYTES.items() if start.startswith(mark)), None
    )
    suffix = PurePath(name).suffix
    if packing is not None:
        return _unpack(chain([start], blocks), packing, name)
    if suffix in SUFFIXES:
        raise MtkitError(
            f"`{name}`: broken {SUFFIXES[suffix]}: it does not begin as {SUFFIXES[suffix]} does",
            f"fetch it again, or drop {suffix} from its name if it is plain text",
        )
    return chain([start], blocks)


def _unpack(blocks: Iterator[bytes], packing: Packing, name: str) -> Iterator[bytes]:
    make_decompressor, error = _decompressor(packing, name)
    hint = "the file is cut short or damaged; fetch it again"
    decompressor = None
    for piece in _pieces(blocks):
        while piece:
            if decompressor is None:
                # A file may be several that were put one after the other, with zeros between them.
                piece = piece.lstrip(b"\0")
                if not piece:
                    break
                decompressor = make_decompressor()
            try:
                data = decompressor.decompress(piece)
            except error as exc:
                raise MtkitError(f"`{name}`: broken {packing}: {str(exc).lower()}", hint) from None
            if data:
                yield data
            if not decompressor.eof:
                break
            piece = decompressor.unused_data
            decompressor = None
    if decompressor is not None:
        raise MtkitError(f"`{name}`: broken {packing}: it ends too early", hint)


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for at in range(0, len(block), _PIECE_SIZE):
            yield block[at : at + _PIECE_SIZE]


def _decompressor(packing: Packing, name: str) -> tuple[Callable[[], Any], type[Exception]]:
    if packing == "gzip":
        return partial(zlib.decompressobj, wbits=16 + zlib.MAX_WBITS), zlib.error
    if packing == "xz":
        return partial(lzma.LZMADecompressor, lzma.FORMAT_XZ), lzma.LZMAError
    zstandard = _zstandard(name)
    return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError


@contextmanager
def packed(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Pack what is written, where the name ends in .gz, .xz or .zst. Equal text makes equal files.

    Raises:
        MtkitError: zstd is not installed.
    """
    packing = SUFFIXES.get(PurePath(name).suffix)
    if packing is None:
        yield raw
    else:
        with _packer(raw, packing, name) as stream:
            yield stream


def _packer(raw: BinaryIO, packing: Packing, name: str) -> BinaryIO:
    if packing == "gzip":
        return cast(
            BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0)
        )
    if packing == "xz":
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

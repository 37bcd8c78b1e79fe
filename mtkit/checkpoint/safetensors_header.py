"""What a safetensors file says of itself, checked in full before anything in it is believed.

Eight bytes give the length of a header, which is JSON: for each tensor its number format, its shape and its place in the bytes that follow.
"""

import json
import math
import stat
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from mtkit.errors import MtkitError

MAX_HEADER_BYTES = 4 << 20
"""Some ten times that of a model with a thousand tensors."""
_ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
_METADATA = "__metadata__"
_MEND = "the file is damaged; make or copy it again"


class TensorInfo(NamedTuple):
    """What the header says of one tensor."""

    dtype: str
    """As safetensors writes it: F32, BF16, I64, ..."""
    shape: tuple[int, ...]


class Header(NamedTuple):
    """What is in a file."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]


class _Bad(Exception):
    pass


def read_header(path: Path) -> Header:
    """Read and check the header; the tensors themselves are not touched.

    Sizes in it are true of the file: the tensors fill it from end to end, none over another.

    Raises:
        MtkitError: There is no such file, it is no file, or it is damaged.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise MtkitError(
                f"`{path}`: is no file", "the folder is not complete; make or copy it again"
            )
        with path.open("rb") as stream:
            start = stream.read(8)
            n_bytes = int.from_bytes(start, "little")
            if len(start) < 8 or n_bytes > about.st_size - 8:
                raise _Bad("its header is longer than the file")
            if n_bytes > MAX_HEADER_BYTES:
                raise _Bad(f"its header has {n_bytes:,} bytes, more than {MAX_HEADER_BYTES:,}")
            text = stream.read(n_bytes)
        return _parsed(text, about.st_size - 8 - n_bytes)
    except FileNotFoundError:
        raise MtkitError(
            f"`{path}`: no such file", "the folder is not complete; make or copy it again"
        ) from None
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {(exc.strerror or str(exc)).lower()}",
            "check its permissions",
        ) from None
    except _Bad as exc:
        raise MtkitError(f"`{path}`: not a readable safetensors file: {exc}", _MEND) from None


def _parsed(text: bytes, n_data_bytes: int) -> Header:
    try:
        tree = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise _Bad("its header is no JSON") from None
    if not isinstance(tree, dict):
        raise _Bad("its header is no JSON object")
    metadata = tree.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise _Bad("its metadata are not texts")
    places: list[tuple[int, int]] = []
    tensors = {name: _tensor(name, entry, places) for name, entry in tree.items()}
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise _Bad("its tensors overlap or leave gaps")
        end = last
    if end != n_data_bytes:
        raise _Bad(f"its tensors take {end:,} bytes, and {n_data_bytes:,} are there")
    return Header(tensors, metadata)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise _Bad("its header names something twice")
    return tree


def _tensor(name: str, entry: Any, places: list[tuple[int, int]]) -> TensorInfo:
    fields = entry if isinstance(entry, dict) else {}
    dtype, shape, place = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _ITEM_SIZES:
        raise _Bad(f"tensor {name[:80]!r} is of no known number format")
    if not _are_sizes(shape) or not _are_sizes(place) or len(place) != 2:
        raise _Bad(f"tensor {name[:80]!r} has no shape or no place")
    if place[1] - place[0] != math.prod(shape) * _ITEM_SIZES[dtype]:
        raise _Bad(f"tensor {name[:80]!r} has not the size of its shape")
    places.append((place[0], place[1]))
    return TensorInfo(dtype, tuple(shape))


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= 8
        and all(type(item) is int and 0 <= item < 1 << 48 for item in value)
    )

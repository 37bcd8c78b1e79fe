"""Open safetensors files that may be damaged or hostile.

Eight bytes give the length of a header, which is JSON: the dtype, shape and byte range of each
tensor.
"""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason

MAX_HEADER_BYTES = 4 << 20
"""About ten times the header of a model with a thousand tensors."""


class TensorInfo(NamedTuple):
    """Header entry of one tensor."""

    dtype: str
    """As safetensors writes it: F32, BF16, I64, ..."""
    shape: tuple[int, ...]


class Header(NamedTuple):
    """Contents of a file."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]


class _BadHeaderError(Exception):
    pass


@contextmanager
def open_safetensors(path: Path, framework: str = "np") -> Iterator[tuple[Header, Any]]:
    """Check the header in full, and open the file; tensors are read by `get_tensor` only.

    Args:
        path: The file.
        framework: Library whose tensors are read: "np" or "pt".
    Yields:
        The header, and the open file of safetensors.
    Raises:
        MtkitError: The file is missing, not a regular file, or damaged.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MtkitError(
                f"`{path}`: not a regular file",
                "the directory is not complete; make or copy it again",
            )
        text = _header_text(path)
        with safe_open(path, framework) as file:
            yield _parsed(text), file
    except FileNotFoundError:
        raise MtkitError(
            f"`{path}`: no such file", "the directory is not complete; make or copy it again"
        ) from None
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}",
            "check its permissions",
        ) from None
    except (SafetensorError, _BadHeaderError) as exc:
        # The reason may quote a name of the file.
        reason = repr(str(exc).removeprefix("Error while deserializing header: "))[1:-1][:200]
        raise MtkitError(
            f"`{path}`: not a readable safetensors file: {reason}",
            "the file is damaged; make or copy it again",
        ) from None


def read_header(path: Path) -> Header:
    """Read and check the header.

    Raises:
        MtkitError: See `open_safetensors`.
    """
    with open_safetensors(path) as (header, _):
        return header


def _header_text(path: Path) -> bytes:
    with path.open("rb") as stream:
        text = stream.read(min(int.from_bytes(stream.read(8), "little"), MAX_HEADER_BYTES + 1))
    if (
        len(text) > MAX_HEADER_BYTES
    ):  # safetensors takes 100 MB, which would become gigabytes of objects
        raise _BadHeaderError(f"its header has more than {MAX_HEADER_BYTES:,} bytes")
    return text


def _parsed(text: bytes) -> Header:
    """Parse a header that safetensors has accepted."""
    tree = json.loads(text, object_pairs_hook=_without_repeats)
    metadata = tree.pop("__metadata__", None) or {}
    return Header(
        {name: TensorInfo(entry["dtype"], tuple(entry["shape"])) for name, entry in tree.items()},
        metadata,
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):  # safetensors takes the last of them
        raise _BadHeaderError("its header contains a name twice")
    return tree

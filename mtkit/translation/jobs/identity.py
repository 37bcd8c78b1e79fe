"""Identity of what a translation is made from, so that a resumed one is known to be the same."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mtkit.io.change_guard import changed_while_read, file_stamp
from mtkit.io.text import open_binary, sha256_file

_END_BYTES = 1 << 16
_FILES = {"input": "the input", "prefix": "the prefixes", "constraints": "the constraints"}
_UNREADABLE = {
    **{f"{name}.changed_ns": f"the modification time of {what}" for name, what in _FILES.items()},
    **{f"{name}.ends": f"the content of {what}" for name, what in _FILES.items()},
    "models": "the model",
    "inputs": "the texts",
    "corpora": "the training corpora",
    "held_out": "the held-out texts",
    "memory": "the translation memory",
    "general": "the general text",
    "settings.unk_dictionary": "the content of --unk-dictionary",
    "settings.terms": "the content of --terms",
}
"""Descriptions of entries whose values say nothing to a reader, such as hashes."""


def file_identity(path: Path, what: str = "") -> dict[str, Any]:
    """Identify a file without reading all of it.

    A copy is the same file if it keeps the modification time, as `cp -p` and `rsync -t` do.

    Args:
        path: The file.
        what: Purpose of the file, for hints.
    Returns:
        Size, modification time, and a hash of its first and last bytes.
    Raises:
        MtkitError: The file cannot be read.
    """
    with open_binary(path, what) as stream:
        start = stream.read(_END_BYTES)
        size = stream.seek(0, 2)
        stream.seek(max(size - _END_BYTES, 0))
        ends = hashlib.sha256(start + stream.read(_END_BYTES)).hexdigest()
    return {"size": size, "changed_ns": path.stat().st_mtime_ns, "ends": ends}


def model_identity(model_dir: Path) -> str:
    """Hash the names and bytes of all files of a model directory, except documentation (.md)."""
    digest = hashlib.sha256()
    for path in sorted(model_dir.rglob("*")):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            name = path.relative_to(model_dir).as_posix()
            digest.update(f"{name} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def refuse_changed(path: Path, identity: dict[str, Any]) -> None:
    """Compare size and modification time of a file with its identity.

    Raises:
        MtkitError: Another program has changed the file.
    """
    stamp = file_stamp(path)
    if stamp is None or stamp[:2] != (identity["size"], identity["changed_ns"]):
        raise changed_while_read(path)


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Describe the differences of two manifests, such as `beam_size (5 then, 1 now)`."""
    old, new = dict(_leaves(then)), dict(_leaves(now))
    return [
        _described(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _described(name: str, then: Any, now: Any) -> str:
    if name in _UNREADABLE:
        return _UNREADABLE[name]
    return f"{name.removeprefix('settings.')} ({_shown(then)} then, {_shown(now)} now)"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if value in ({}, []):
        return "empty"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)

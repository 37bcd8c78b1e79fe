"""What a translation is made from, so that one that goes on is known to be the same."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mtkit.io.change_guard import changed_while_read, file_stamp
from mtkit.io.text import open_binary, sha256_file

_END_BYTES = 1 << 16
_UNREADABLE = {
    "input.changed_ns": "the time of the input's last change",
    "input.ends": "the input's content",
    "models": "the model",
    "settings.unk_dictionary": "the content of --unk-dictionary",
}
"""Entries whose values are not readable, such as hashes."""


def input_identity(path: Path) -> dict[str, Any]:
    """How a file is known again without reading all of it: size, time of the last change, and a hash of its first and last bytes.

    A copy is the same file when it keeps the time, as `cp -p` and `rsync -t` do.

    Raises:
        MtkitError: It cannot be read.
    """
    with open_binary(path, "the source text") as stream:
        start = stream.read(_END_BYTES)
        size = stream.seek(0, 2)
        stream.seek(max(size - _END_BYTES, 0))
        ends = hashlib.sha256(start + stream.read(_END_BYTES)).hexdigest()
    return {"size": size, "changed_ns": path.stat().st_mtime_ns, "ends": ends}


def model_identity(folder: Path) -> str:
    """A hash of the names and bytes of all files that a model directory holds, texts for people (.md) aside; of no files, the hash of nothing."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            digest.update(f"{path.relative_to(folder).as_posix()} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def refuse_changed(path: Path, identity: dict[str, Any]) -> None:
    """Notice when a file is changed by somebody else while it is read.

    Raises:
        MtkitError: It is not what it was.
    """
    stamp = file_stamp(path)
    if stamp is None or stamp[:2] != (identity["size"], identity["changed_ns"]):
        raise changed_while_read(path)


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not the same, in words: `settings.beam_size (5 then, 1 now)`; of hashes only the name."""
    old, new = dict(_leaves(then)), dict(_leaves(now))
    return [
        _told(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _told(name: str, then: Any, now: Any) -> str:
    if name in _UNREADABLE:
        return _UNREADABLE[name]
    return f"{name.removeprefix('settings.')} ({_value(then)} then, {_value(now)} now)"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if value in ({}, []):
        return "empty"
    return (
        ", ".join(map(str, value))
        if isinstance(value, Iterable) and not isinstance(value, str)
        else str(value)
    )

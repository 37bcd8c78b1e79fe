"""Identity of what a translation is made from, so that a resumed one is known to be the same."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mtkit.io.text import sha256_file

_VERSION = "format_version"
_UNREADABLE = {
    "input": "the input",
    "prefix": "the prefixes",
    "constraints": "the constraints",
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


def model_identity(model_dir: Path) -> str:
    """Hash the names and bytes of all files of a model directory, except documentation (.md)."""
    digest = hashlib.sha256()
    for path in sorted(model_dir.rglob("*")):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            name = path.relative_to(model_dir).as_posix()
            digest.update(f"{name} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Describe the differences of two manifests, such as `beam_size (5 then, 1 now)`."""
    if then.get(_VERSION) != now.get(_VERSION):
        # The entries of another version may mean something else.
        then, now = ({_VERSION: manifest.get(_VERSION)} for manifest in (then, now))
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

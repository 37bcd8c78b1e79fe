"""Manifest of a built directory: what it was made from, by which the next run detects changes."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason
from mtkit.io.text import sha256_file

MANIFEST_NAME = "manifest.json"


def content_hash(made_from: Any) -> str:
    """Return a hash of everything that a result depends on.

    Args:
        made_from: Any value that JSON can represent.
    """
    return hashlib.sha256(
        json.dumps(made_from, sort_keys=True, ensure_ascii=True).encode()
    ).hexdigest()


def write_manifest(directory: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of a directory, as its last file.

    Args:
        directory: The directory.
        manifest: Entries to write, in addition to size and SHA-256 of each file and a checksum of
            all.
    """
    files = {path.name: path for path in sorted(directory.iterdir())}
    (directory / MANIFEST_NAME).write_text(manifest_text(files, manifest), encoding="utf-8")


def manifest_text(files: Mapping[str, Path], manifest: dict[str, Any]) -> str:
    """Return the text of a manifest.

    Args:
        files: The files by their names in the manifest.
        manifest: See `write_manifest`.
    """
    records = {
        name: {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for name, path in files.items()
    }
    tree = manifest | {"files": records}
    text = json.dumps(tree | {"checksum": content_hash(tree)}, indent=2, ensure_ascii=False)
    return text + "\n"


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """Read the manifest of a directory; None if it is missing, unreadable or wrong."""
    try:
        manifest = json.loads((directory / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict):
        return None
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    is_wrong = manifest.get("checksum") not in (None, content_hash(content))
    return None if is_wrong else manifest


def find_damage(
    directory: Path, manifest: dict[str, Any], *, hashed: Collection[str] | None = None
) -> str:
    """Compare a directory with its manifest; files that the manifest does not name do not matter.

    Args:
        directory: The directory.
        manifest: As `read_manifest` returns it.
        hashed: Files to read and to compare by SHA-256; only the sizes of the others are compared.
            None reads all.
    Returns:
        The first difference, with the path; empty if there is none.
    """
    if "checksum" not in manifest:
        return (
            f"`{directory / MANIFEST_NAME}`: has no checksum, so it was changed or written by an "
            "earlier version"
        )
    for name, expected in manifest["files"].items():
        path = directory / name
        try:
            if (size := path.stat().st_size) != expected["size"]:
                return f"`{path}`: has {size:,} bytes, but {expected['size']:,} were written"
            if (hashed is None or name in hashed) and sha256_file(path) != expected["sha256"]:
                return f"`{path}`: has changed since it was written (SHA-256 differs)"
        except FileNotFoundError:
            return f"`{path}`: missing"
        except OSError as exc:
            return f"`{path}`: cannot be read: {os_error_reason(exc)}"
        except MtkitError as exc:
            return exc.message
    return ""


def refuse_foreign(directory: Path) -> None:
    """Check that a directory may be replaced: it is missing, empty, or has a manifest.

    Raises:
        MtkitError: The directory contains files but no manifest.
    """
    if directory.is_dir() and not (directory / MANIFEST_NAME).exists() and any(directory.iterdir()):
        raise MtkitError(
            f"`{directory}`: contains files but no {MANIFEST_NAME}, so mtkit did not write it and "
            "will not replace it",
            "move it away, or set data.work_dir to another directory",
        )

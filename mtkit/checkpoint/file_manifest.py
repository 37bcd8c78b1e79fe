"""What a folder should hold, written down beside it, by which damage is known.

manifest.json    format_version; size and sha256 of each other file; and a checksum of all this
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.io.text import sha256_file

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1


class Damaged(MtkitError):
    """A folder does not hold what was written into it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"`{path}`: {problem}", "copy it again from where it is whole, or remove the folder"
        )
        self.path, self.problem = path, problem


def write_manifest(folder: Path) -> None:
    """Write down what the files of a folder are; the last thing to do before it is renamed into place."""
    files = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
    }
    tree: dict[str, Any] = {"format_version": FORMAT_VERSION, "files": files}
    (folder / MANIFEST_NAME).write_text(
        json.dumps(tree | {"checksum": _checksum(tree)}, indent=2) + "\n", encoding="utf-8"
    )


def check_manifest(folder: Path, hashed: Collection[str] | None = None) -> None:
    """Compare a folder with its manifest; what else lies in it does not matter.

    Args:
        folder: With a manifest.json.
        hashed: Files to read whole and compare by SHA-256; of the others, names and sizes are compared. None reads them all.
    Raises:
        Damaged: A file is missing or is not the one that was written.
        MtkitError: The manifest is of a newer format.
    """
    for name, expected in _read(folder / MANIFEST_NAME).items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != expected["size"]:
                raise Damaged(path, f"has {size:,} bytes, and {expected['size']:,} were written")
            if (hashed is None or name in hashed) and sha256_file(path) != expected["sha256"]:
                raise Damaged(path, "is not as it was written: its SHA-256 differs")
        except FileNotFoundError:
            raise Damaged(path, "is missing") from None
        except (OSError, MtkitError) as exc:
            raise (
                exc if isinstance(exc, Damaged) else Damaged(path, f"cannot be read: {exc}")
            ) from None


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tree = json.loads(path.read_bytes())
        checksum = tree.pop("checksum")
    except FileNotFoundError:
        raise Damaged(path, "is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Damaged(path, "is not a readable manifest") from None
    if checksum != _checksum(tree):
        raise Damaged(path, "is not as it was written")
    if tree["format_version"] > FORMAT_VERSION:
        raise MtkitError(
            f"`{path}`: format {tree['format_version']} is newer than this mtkit knows ({FORMAT_VERSION})",
            "install a newer mtkit",
        )
    return tree["files"]


def _checksum(tree: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()

"""The note in a made folder that says what it was made from, so that the next run knows whether anything changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError

MANIFEST_NAME = "manifest.json"


def make_key(made_from: Any) -> str:
    """A hash of everything that a result depends on.

    Args:
        made_from: Anything that JSON can hold.
    """
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the folder's manifest; the folder itself is what appears atomically."""
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest; None where there is none that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def refuse_foreign(folder: Path) -> None:
    """Keep from replacing a folder that somebody else filled.

    Raises:
        MtkitError: The folder holds something but no manifest.
    """
    if folder.is_dir() and not (folder / MANIFEST_NAME).exists() and any(folder.iterdir()):
        raise MtkitError(
            f"`{folder}`: holds files but no {MANIFEST_NAME}, so mtkit did not make it and will not replace it",
            "move it away, or set data.work_dir to another folder",
        )

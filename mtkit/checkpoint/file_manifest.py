"""Manifest of a checkpoint, by which damage is found.

manifest.json    format_version; size and sha256 of each other file; and a checksum of all this
"""

from collections.abc import Collection
from pathlib import Path

from mtkit.errors import MtkitError
from mtkit.io import build_manifest
from mtkit.io.build_manifest import MANIFEST_NAME, find_damage, read_manifest

FORMAT_VERSION = 1


class DamagedCheckpoint(MtkitError):
    """A checkpoint with missing or changed files."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "restore it from an intact copy, or remove the directory")


def write_manifest(folder: Path) -> None:
    """Write the manifest of a directory, as the last step before it is renamed into place."""
    build_manifest.write_manifest(folder, {"format_version": FORMAT_VERSION})


def check_manifest(folder: Path, hashed: Collection[str] | None = None) -> None:
    """Compare a directory with its manifest; other files in it do not matter.

    Args:
        folder: Directory with a manifest.json.
        hashed: See `find_damage`.
    Raises:
        DamagedCheckpoint: A file is missing or is not the one that was written.
        MtkitError: The manifest is of a newer format.
    """
    path = folder / MANIFEST_NAME
    manifest = read_manifest(folder)
    if manifest is None or "checksum" not in manifest:
        raise DamagedCheckpoint(
            f"`{path}`: {'not a readable manifest' if path.exists() else 'missing'}"
        )
    if manifest["format_version"] > FORMAT_VERSION:
        raise MtkitError(
            f"`{path}`: format {manifest['format_version']} is newer than this mtkit knows"
            f" ({FORMAT_VERSION})",
            "install a newer mtkit",
        )
    if problem := find_damage(folder, manifest, hashed=hashed):
        raise DamagedCheckpoint(problem)

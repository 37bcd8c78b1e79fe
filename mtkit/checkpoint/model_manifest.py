"""Manifest of a shared model directory, by which changed, missing and added files are found.

`mtkit push` writes it, and every load of the model checks it. It detects damage, not forgery: it
comes from the same source as the files.
"""

import stat
from pathlib import Path

from pydantic import Field, ValidationError

from mtkit.checkpoint.untrusted import read_json
from mtkit.config.section import NonNegativeInt, PositiveInt, Section
from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write
from mtkit.io.build_manifest import MANIFEST_NAME, find_damage, manifest_text
from mtkit.io.find_model import CONFIG_NAME, SHORTLIST_NAME, WEIGHTS_NAME
from mtkit.io.tokenizer_files import JOINT_NAME, SRC_NAME, TGT_NAME, TOKENIZER_DIR_NAME

FORMAT_VERSION = 1
MODEL_FILES = (
    *(CONFIG_NAME, WEIGHTS_NAME, SHORTLIST_NAME),
    *(f"{TOKENIZER_DIR_NAME}/{name}" for name in (JOINT_NAME, SRC_NAME, TGT_NAME)),
)
"""Every file that a model directory can have; no model has all of them."""
_HINT = f"copy or pull the model again; if you changed it yourself, remove {MANIFEST_NAME}"


class _File(Section):
    size: NonNegativeInt
    sha256: str = Field(pattern="[0-9a-f]{64}")


class _Manifest(Section):
    format_version: PositiveInt
    files: dict[str, _File]
    checksum: str


def find_model_files(directory: Path) -> dict[str, Path]:
    """Return the files of a model directory by their names in it.

    Raises:
        MtkitError: One is a link, a directory or a device.
    """
    paths = {name: directory / name for name in (TOKENIZER_DIR_NAME, *MODEL_FILES)}
    found = {}
    for name, path in paths.items():
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not (stat.S_ISDIR(mode) if name == TOKENIZER_DIR_NAME else stat.S_ISREG(mode)):
            kind = "directory" if name == TOKENIZER_DIR_NAME else "file"
            raise MtkitError(
                f"`{path}`: not a regular {kind}", "put the file itself in its place, not a link"
            )
        found[name] = path
    return {name: path for name, path in found.items() if name in MODEL_FILES}


def model_manifest(files: dict[str, Path]) -> str:
    """Return the text of a manifest, for files by their names in the model directory."""
    return manifest_text(files, {"format_version": FORMAT_VERSION})


def update_manifest(directory: Path, name: str) -> None:
    """Enter a file into the manifest that mtkit has written to a model directory, if it has one.

    Raises:
        MtkitError: The other files do not match the manifest, which is left as it is.
    """
    if (directory / MANIFEST_NAME).exists():
        check_model_manifest(directory, ignored=name)
        text = model_manifest(find_model_files(directory))
        with atomic_write(directory / MANIFEST_NAME) as stream:
            stream.write(text.encode())


def check_model_manifest(directory: Path, *, ignored: str = "") -> None:
    """Compare the files of a model directory with its manifest, if it has one.

    This reads every file, which takes one or two seconds for 1 GB.

    Args:
        directory: A model directory.
        ignored: Name of a file that may differ.
    Raises:
        MtkitError: A file is changed, missing or not in the manifest, or the manifest is damaged
            or of a newer format.
    """
    path = directory / MANIFEST_NAME
    if not path.exists():
        return
    tree = read_json(path)
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise MtkitError(
            f"`{path}`: format {version} is newer than this mtkit knows ({FORMAT_VERSION})",
            "install a newer mtkit",
        )
    try:
        manifest = _Manifest.model_validate(tree).model_dump()
    except ValidationError:
        raise MtkitError(f"`{path}`: not a manifest of mtkit", _HINT) from None
    for listed in manifest["files"].keys() - {*MODEL_FILES}:
        raise MtkitError(f"`{path}`: lists {listed[:100]}, which is not part of a model", _HINT)
    manifest["files"].pop(ignored, None)
    for added in sorted(find_model_files(directory).keys() - manifest["files"].keys() - {ignored}):
        raise MtkitError(f"`{directory / added}`: is not in {MANIFEST_NAME}", _HINT)
    if problem := find_damage(directory, manifest):
        raise MtkitError(problem, _HINT)

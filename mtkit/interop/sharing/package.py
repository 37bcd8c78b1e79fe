"""Files of a shared model: those of the model directory, the model card and the manifest."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtkit.checkpoint.model_manifest import MODEL_FILES, find_model_files, model_manifest
from mtkit.errors import MtkitError
from mtkit.interop.model_card import CARD_NAME
from mtkit.io.build_manifest import MANIFEST_NAME
from mtkit.io.logs import get_logger
from mtkit.io.text import open_binary

logger = get_logger(__name__)

PACKAGE_NAMES = (*MODEL_FILES, CARD_NAME, MANIFEST_NAME)
"""Every file that is written, sent or read; others are left alone."""
TOP_NAMES = frozenset(name.partition("/")[0] for name in PACKAGE_NAMES)
"""Files and directories of a shared model."""
_MAX_CARD_BYTES = 1 << 20


def make_package(model_dir: Path, card: str) -> dict[str, Path | bytes]:
    """Return what is shared of a model: files or contents, by name.

    Raises:
        MtkitError: A file of the model is a link or cannot be read.
    """
    files = find_model_files(model_dir)
    manifest = model_manifest(files)
    return {**files, CARD_NAME: card.encode(), MANIFEST_NAME: manifest.encode()}


def find_package(directory: Path) -> dict[str, Path]:
    """Return the files of a shared model in a directory, by name.

    Raises:
        MtkitError: A file is a link, a directory or a device.
    """
    names = {path.name for path in directory.iterdir()}
    _log_left_out(names)
    files = find_model_files(directory)
    for name in sorted(names & {CARD_NAME, MANIFEST_NAME}):
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise MtkitError(f"`{path}`: not a regular file", "put the file itself in its place")
        files[name] = path
    return files


def choose_names(present: Iterable[str]) -> set[str]:
    """Return the names that belong to a shared model, and log the others."""
    present = set(present)
    _log_left_out(present)
    return present & {*PACKAGE_NAMES}


def _log_left_out(present: set[str]) -> None:
    """Log the names that do not belong to a shared model, except for hidden files."""
    others = sorted(
        name for name in present - {*PACKAGE_NAMES, *TOP_NAMES} if not name.startswith(".")
    )
    if others:
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        logger.info("left out, because they are not part of a model: %s", shown)


def copy_package(contents: Mapping[str, Path | bytes], directory: Path) -> None:
    """Write files or contents to a directory, by name."""
    for name, content in contents.items():
        target = directory / name
        target.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)


def count_bytes(contents: Mapping[str, Path | bytes]) -> int:
    """Return the size of all files."""
    return sum(
        len(content) if isinstance(content, bytes) else content.stat().st_size
        for content in contents.values()
    )


def read_card(path: Path) -> str:
    """Read the text of a model card.

    Raises:
        MtkitError: It is missing, too large or not UTF-8.
    """
    with open_binary(path, "the model card") as stream:
        content = stream.read(_MAX_CARD_BYTES + 1)
    if len(content) > _MAX_CARD_BYTES:
        raise MtkitError(
            f"`{path}`: has more than {_MAX_CARD_BYTES:,} bytes, too many for a model card",
            "shorten it",
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MtkitError(f"`{path}`: not UTF-8", "save it as UTF-8") from None

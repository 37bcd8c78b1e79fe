"""Directories of exported models, which an export may replace."""

from collections.abc import Callable, Iterable
from pathlib import Path

from mtkit.errors import MtkitError


def refuse_foreign_export(
    path: Path, known: Iterable[str], is_export: Callable[[set[str]], bool]
) -> None:
    """Check that a directory may be replaced by an exported model.

    Args:
        path: The directory; need not exist.
        known: Names of the files that an export can have.
        is_export: Tells by the names of all files, none of them unknown, whether mtkit wrote them.
    Raises:
        MtkitError: The directory contains something else.
    """
    if not path.is_dir():
        return
    names = {entry.name for entry in path.iterdir()}
    foreign = sorted(names - set(known))
    if foreign or (names and not is_export(names)):
        problem = (
            f"contains {foreign[0]}, which is not part of an exported model"
            if foreign
            else "contains a model that mtkit did not export"
        )
        raise MtkitError(f"`{path}`: {problem}, and is not replaced", "name another directory")

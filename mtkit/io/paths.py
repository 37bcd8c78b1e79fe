"""Paths as the user gives them."""

import os
from pathlib import Path


def normalize_path(path: Path) -> Path:
    """Remove `..` from a path, unless removing a symbolic link before it changes the target."""
    shorter = Path(os.path.normpath(path))
    # Path.resolve fails on a loop of symbolic links, which is described better when the path is
    # opened.
    return shorter if os.path.realpath(shorter) == os.path.realpath(path) else path


def display_name(path: Path | str) -> str:
    """Return the name of an input in reports and errors: its path, or stdin."""
    return "stdin" if str(path) == "-" else str(path)


def printable(name: str) -> str:
    """Return a name with a replacement for what cannot be shown, such as bytes that are not UTF-8.

    On Linux, a name is any bytes but slash and NUL: it may be encoded in EUC-KR, or contain line
    breaks.
    """
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in name
    )


def is_path(text: str) -> bool:
    """Whether a text, which may be anything, is the path of a file or a directory that exists."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a path, or with a null character
        return False


def is_recipe_name(path: Path) -> bool:
    """Whether the name of a file is that of a recipe."""
    return path.suffix in (".yaml", ".yml")

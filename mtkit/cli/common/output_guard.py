"""Checks of output paths, so that no output replaces an input, another output, a run or a model."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from mtkit.errors import MtkitError
from mtkit.io.find_model import MODEL_NAMES, RUN_NAMES, is_model_dir

_RENAME_HINT = "give the output another name"
_RECIPE_START = b"data:"
_RECIPE_BYTES = 1 << 20
"""Number of bytes in which a YAML file is searched for the section `data:`."""


class _Location(NamedTuple):
    """The file, directory or stream behind a path on the command line."""

    given: Path
    real: Path | None
    """Path with links resolved; None for a stream or a device."""
    file_id: tuple[int, int] | None
    """Device and inode; None for a missing file, a device, or a stream not redirected to a file."""
    may_be_linked: bool = False
    """Whether a file may have more names than `real`."""

    @classmethod
    def of(cls, path: Path, stream: Any) -> Self:
        """Look up a path; `-` is the stream."""
        if str(path) == "-":
            status = _status_of_stream(stream)
            return (
                cls(path, None, _id(status), True)
                if status and stat.S_ISREG(status.st_mode)
                else cls(path, None, None)
            )
        real = Path(os.path.realpath(path))
        try:
            # Not `real`, which is not a path for a pipe behind /dev/stdout.
            status = path.stat()
        except OSError:
            return cls(path, real, None)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return cls(path, None, None)
        return cls(path, real, _id(status), stat.S_ISREG(status.st_mode) and status.st_nlink > 1)

    def is_same(self, other: Self) -> bool:
        """Whether both are the same file or directory, possibly under different names."""
        return (self.real is not None and self.real == other.real) or (
            self.file_id is not None and self.file_id == other.file_id
        )

    def contains(self, other: Self) -> bool:
        """Whether this is a directory that contains the other, at any depth."""
        if self.real is None:
            return False
        if other.real is not None and self.real in other.real.parents:
            return True
        return (
            other.may_be_linked
            and self.real.is_dir()
            and any(other.file_id == file_id for file_id in _ids_below(self.real))
        )


def refuse_overwriting(
    outputs: Iterable[Path | None],
    inputs: Iterable[Path | None],
    *,
    own: Path | None = None,
    hint: str = _RENAME_HINT,
) -> None:
    """Refuse outputs that would replace something.

    Every command calls this once, with all its paths, before it writes anything. Links, hard links,
    alternative spellings and redirected streams are resolved; a directory includes its contents.
    Devices and pipes are never replaced. Standard output is always one of the outputs.

    Args:
        outputs: Files and directories to write; `-` is stdout; None is ignored.
        inputs: Files and directories to read; `-` is stdin; None is ignored.
        own: A run or model directory whose files this command may replace.
        hint: What to do about an output that is refused.
    Raises:
        MtkitError: An output is an input or another output, contains one, or is inside one; or it
            would replace a recipe, or files of a run or a model; or one stream is named twice.
    """
    read, written = _without_none(inputs), _without_none(outputs)
    _refuse_repeated_stream(
        read, "stdin is read by two inputs, but is one stream", "name a file for one of them"
    )
    _refuse_repeated_stream(
        written,
        "stdout is named for two outputs, which would be mixed",
        "name a file for one of them",
    )
    if Path("-") not in written:
        written.append(Path("-"))
    sources, earlier = [_Location.of(path, sys.stdin) for path in read], list[_Location]()
    for path in written:
        location = _Location.of(path, sys.stdout)
        for source in sources:
            if relation := _describe_relation(
                location, source, "is an input, and would be overwritten", "input"
            ):
                raise MtkitError(
                    relation, hint if location.real else "redirect stdout to another file"
                )
        for other in earlier:
            if relation := _describe_relation(
                location, other, "is named for two outputs", "output"
            ):
                raise MtkitError(relation, "give each output a different name")
        if location.real is not None and (owner := _owner(location.real, own)):
            raise MtkitError(f"`{path}`: {owner}, and is not overwritten", hint)
        earlier.append(location)


def _without_none(paths: Iterable[Path | None]) -> list[Path]:
    return [path for path in paths if path is not None]


def _refuse_repeated_stream(paths: list[Path], message: str, hint: str) -> None:
    if paths.count(Path("-")) > 1:
        raise MtkitError(message, hint)


def _describe_relation(location: _Location, other: _Location, if_same_name: str, kind: str) -> str:
    """Describe how an output and another path overlap; empty if they do not."""
    if location.is_same(other):
        if location.given == other.given:
            return f"`{location.given}`: {if_same_name}"
        relation = "is the same file as"
    elif other.contains(location) or location.contains(other):
        relation = "is inside" if other.contains(location) else "contains"
    else:
        return ""
    stream = "stdin" if kind == "input" else "stdout"
    return f"{_display(location, 'stdout')}: {relation} the {kind} {_display(other, stream)}"


def _display(location: _Location, stream: str) -> str:
    return stream if str(location.given) == "-" else f"`{location.given}`"


def _owner(real: Path, own: Path | None) -> str:
    """Describe the recipe, run or model that a path belongs to; empty if there is none."""
    if own is not None and Path(os.path.realpath(own)) in real.parents:
        return ""
    if real.suffix.lower() in (".yaml", ".yml") and _is_recipe(real):
        return "is a recipe"
    for directory in real.parents:
        name = real.relative_to(directory).parts[0]
        if name in RUN_NAMES and (directory / "identity.json").is_file():
            return f"belongs to the training run `{directory}`"
        if name in MODEL_NAMES and real.exists() and is_model_dir(directory):
            return f"belongs to the model `{directory}`"
    return ""


def _is_recipe(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return any(
                line.startswith(_RECIPE_START) for line in stream.read(_RECIPE_BYTES).splitlines()
            )
    except OSError:
        return False


def _ids_below(directory: Path) -> Iterator[tuple[int, int]]:
    return (_id(path.lstat()) for path in directory.rglob("*"))


def _id(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status_of_stream(stream: Any) -> os.stat_result | None:
    try:
        return os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or replaced by an object without a file
        return None

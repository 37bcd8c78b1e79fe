"""Decides which paths a command may write, so that no output replaces an input, another output, a run, a model or a recipe."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from mtkit.checkpoint.find_model import MODEL_NAMES, RUN_NAMES, is_model_dir
from mtkit.errors import MtkitError

_RENAME_HINT = "give the output another name"
_RECIPE_START = b"data:"
_RECIPE_BYTES = 1 << 20
"""A longer YAML file is not searched further for its section `data:`."""


class _Location(NamedTuple):
    """What a path given on the command line stands for."""

    given: Path
    real: Path | None
    """Without links; None for a stream or a device."""
    file_id: tuple[int, int] | None
    """Device and inode; None for what does not exist, a device, or a stream that is not redirected to a file."""
    may_be_linked: bool = False
    """Whether a file may have a name that `real` does not tell."""

    @classmethod
    def of(cls, path: Path, stream: Any) -> Self:
        """The place of a path; `-` is the stream."""
        if str(path) == "-":
            status = _status_of_stream(stream)
            return (
                cls(path, None, _id(status), True)
                if status and stat.S_ISREG(status.st_mode)
                else cls(path, None, None)
            )
        real = Path(os.path.realpath(path))
        try:
            # Not of `real`, which is not a path for a pipe behind /dev/stdout.
            status = path.stat()
        except OSError:
            return cls(path, real, None)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return cls(path, None, None)
        return cls(path, real, _id(status), stat.S_ISREG(status.st_mode) and status.st_nlink > 1)

    def is_same(self, other: Self) -> bool:
        """Whether both are one file or directory, by whatever name."""
        return (self.real is not None and self.real == other.real) or (
            self.file_id is not None and self.file_id == other.file_id
        )

    def contains(self, other: Self) -> bool:
        """Whether the other is a file or directory somewhere below this one."""
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
    """Refuse outputs that would replace something. Every command calls this once, with all its paths, before it writes anything.

    Links, hard links, other spellings and redirected streams are seen through; a directory stands for everything in it. Devices and pipes are
    never replaced. Standard output counts as an output even where it is not named.

    Args:
        outputs: Files and directories to be written; `-` is stdout; None is not given.
        inputs: Files and directories to be read; `-` is stdin; None is not given.
        own: A run or model directory whose own files this command is meant to replace.
        hint: How to name an output that is refused.
    Raises:
        MtkitError: An output is an input or another output, or holds one, or is inside one; or it would replace a recipe, or files of a run or of a
            model; or one stream is named twice.
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
    sources, before = [_Location.of(path, sys.stdin) for path in read], list[_Location]()
    for path in written:
        place = _Location.of(path, sys.stdout)
        for source in sources:
            if relation := _describe_relation(
                place, source, "is an input, and would be overwritten", "input"
            ):
                raise MtkitError(
                    relation, hint if place.real else "redirect stdout to another file"
                )
        for other in before:
            if relation := _describe_relation(place, other, "is named for two outputs", "output"):
                raise MtkitError(relation, "give each output a name of its own")
        if place.real is not None and (owner := _owner(place.real, own)):
            raise MtkitError(f"`{path}`: {owner}, and is not overwritten", hint)
        before.append(place)


def _without_none(paths: Iterable[Path | None]) -> list[Path]:
    return [path for path in paths if path is not None]


def _refuse_repeated_stream(paths: list[Path], message: str, hint: str) -> None:
    if paths.count(Path("-")) > 1:
        raise MtkitError(message, hint)


def _describe_relation(place: _Location, other: _Location, if_same_name: str, kind: str) -> str:
    """What an output has to do with another path, in words; empty if nothing."""
    if place.is_same(other):
        if place.given == other.given:
            return f"`{place.given}`: {if_same_name}"
        relation = "is the same file as"
    elif other.contains(place) or place.contains(other):
        relation = "is inside" if other.contains(place) else "holds"
    else:
        return ""
    stream = "stdin" if kind == "input" else "stdout"
    return f"{_display(place, 'stdout')}: {relation} the {kind} {_display(other, stream)}"


def _display(place: _Location, stream: str) -> str:
    return stream if str(place.given) == "-" else f"`{place.given}`"


def _owner(real: Path, own: Path | None) -> str:
    """What a path is a part of that no command may replace, in words; empty if nothing."""
    if own is not None and Path(os.path.realpath(own)) in real.parents:
        return ""
    if real.suffix.lower() in (".yaml", ".yml") and _is_recipe(real):
        return "is a recipe"
    for folder in real.parents:
        name = real.relative_to(folder).parts[0]
        if name in RUN_NAMES and (folder / "identity.json").is_file():
            return f"belongs to the training run `{folder}`"
        if name in MODEL_NAMES and real.exists() and is_model_dir(folder):
            return f"belongs to the model `{folder}`"
    return ""


def _is_recipe(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return any(
                line.startswith(_RECIPE_START) for line in stream.read(_RECIPE_BYTES).splitlines()
            )
    except OSError:
        return False


def _ids_below(folder: Path) -> Iterator[tuple[int, int]]:
    return (_id(path.lstat()) for path in folder.rglob("*"))


def _id(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status_of_stream(stream: Any) -> os.stat_result | None:
    try:
        return os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or replaced by an object without a file
        return None

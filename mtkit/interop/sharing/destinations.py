"""Destinations that a model is pushed to: a directory, an archive, or the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mtkit.errors import MtkitError
from mtkit.interop.hub import HubModel, is_hub_name
from mtkit.interop.model_card import CARD_NAME
from mtkit.interop.sharing.archive import is_archive_name, write_archive
from mtkit.interop.sharing.package import PACKAGE_NAMES, TOP_NAMES, copy_package
from mtkit.io.atomic import atomic_dir
from mtkit.io.build_manifest import MANIFEST_NAME


class Destination(Protocol):
    """A place for a model, which may have an earlier version of it."""

    pull_arguments: str
    """Arguments of `mtkit pull` for a model from there, with {} for the directory to write; empty
    for a directory, which can be used as it is."""

    def find_card(self) -> Path | None:
        """Return the existing model card, if there is one."""
        ...

    def write(self, contents: Mapping[str, Path | bytes]) -> str:
        """Write a model, completely or not at all, and return where it is."""
        ...


def find_destination(name: str, *, is_hub: bool, is_private: bool) -> Destination:
    """Return a destination by its name: an archive by its suffix, otherwise a directory.

    Args:
        name: A path, or the name of a model on the hub.
        is_hub: Whether it is on the hub.
        is_private: Whether a new model on the hub is private.
    Raises:
        MtkitError: Something else exists there, or the hub cannot be reached.
    """
    if is_hub:
        return _Hub(name, is_private=is_private)
    path = Path(name)
    return _Archive(path) if is_archive_name(name) else _Directory(path)


class _Directory:
    def __init__(self, path: Path) -> None:
        self.path, self.pull_arguments = path, ""
        if not path.exists():
            if is_hub_name(str(path)) and not path.parent.exists():
                raise MtkitError(
                    f"`{path}`: no such directory: {path.parent}",
                    "if it is the name of a model on the Hugging Face hub, give --upload; "
                    f"otherwise, mkdir {path.parent}",
                )
            return
        if not path.is_dir():
            raise MtkitError(f"`{path}`: is a file, not a directory", "name another directory")
        names = {entry.name for entry in path.iterdir()}
        foreign = sorted(names - TOP_NAMES)
        if foreign or (names and MANIFEST_NAME not in names):
            problem = f"contains {foreign[0]}" if foreign else f"has no {MANIFEST_NAME}"
            raise MtkitError(
                f"`{path}`: {problem}, so it was not written by `mtkit push`, and is not replaced",
                "name another directory",
            )

    def find_card(self) -> Path | None:
        path = self.path / CARD_NAME
        return path if path.is_file() else None

    def write(self, contents: Mapping[str, Path | bytes]) -> str:
        with atomic_dir(self.path) as directory:
            copy_package(contents, directory)
        return str(self.path)


class _Archive:
    def __init__(self, path: Path) -> None:
        self.path, self.pull_arguments = path, f"{path.name} {{}}"
        if path.exists():
            raise MtkitError(
                f"`{path}`: exists, and is not replaced", "name another file, or remove this one"
            )

    def find_card(self) -> None:
        return None

    def write(self, contents: Mapping[str, Path | bytes]) -> str:
        write_archive(self.path, contents)
        return str(self.path)


class _Hub:
    def __init__(self, name: str, *, is_private: bool) -> None:
        self.model, self.is_private = HubModel(name), is_private
        self.pull_arguments = f"{name} {{}} --download"

    def find_card(self) -> Path | None:
        return self.model.find(CARD_NAME)

    def write(self, contents: Mapping[str, Path | bytes]) -> str:
        stale = self.model.files & {*PACKAGE_NAMES} - contents.keys()
        return self.model.upload(contents, sorted(stale), private=self.is_private)

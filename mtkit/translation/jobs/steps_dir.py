"""Directory that a command fills in steps. Whatever is complete in it survives a kill.

DIR/
    recipe.yaml       recipe that the command writes
    report.json       the result; written last
    steps/
        manifest.json everything that the results are made from
        recipes.json  hashes of the recipes that were written
        ...           results of the steps
"""

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, is_leftover
from mtkit.io.build_manifest import MANIFEST_NAME, read_manifest
from mtkit.io.lock import locked
from mtkit.translation.jobs.identity import differences
from mtkit.version import __version__
from mtkit.workers.dist_env import DistEnv

_STEPS, _RECIPES = "steps", "recipes.json"
FORMAT_VERSION = 2


class StepsDir(ABC):
    """A directory that one process at a time fills.

    Args:
        path: The directory.
    """

    what: ClassVar[str]
    """Name of its content, for messages."""
    hint_of_ranks: ClassVar[str]
    """Hint at how to do without several ranks, which cannot fill it together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps_dir = path / _STEPS
        self.report_path = path / "report.json"
        self.recipe_path = path / "recipe.yaml"

    @abstractmethod
    def has_results(self) -> bool:
        """Return whether there is anything that would take long to make again."""

    @contextmanager
    def opened(self, made_from: dict[str, Any], *, resume: bool) -> Iterator[None]:
        """Enter a context in which this process alone fills the directory.

        Args:
            made_from: Everything that determines the results, as plain values.
            resume: Whether steps of an earlier run of the same command are kept.
        Raises:
            MtkitError: The directory holds other files, or was made from something else, or another
                process fills it, or its recipe was edited, or this process is one of several ranks.
        """
        n_ranks = DistEnv.from_environment().world_size
        if n_ranks > 1:
            raise MtkitError(f"{n_ranks} ranks cannot share one {self.what}", self.hint_of_ranks)
        with locked(self.path / "lock", f"fills `{self.path}`"):
            self._begin(made_from, resume=resume)
            yield

    def save_recipe(self, text: str) -> None:
        """Write the recipe, but not over one that the user has edited.

        Raises:
            MtkitError: The recipe has been edited.
        """
        written = self._refuse_edited_recipe()
        new = hashlib.sha256(text.encode()).hexdigest()
        # Known beforehand, so that a recipe is recognized even if this process is killed now.
        _write(self.steps_dir / _RECIPES, json.dumps(list(dict.fromkeys([*written, new]))))
        _write(self.recipe_path, text)

    def save_report(self, report: dict[str, Any]) -> None:
        """Write the report, which marks the directory as complete."""
        _write(self.report_path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")

    def _begin(self, made_from: dict[str, Any], *, resume: bool) -> None:
        manifest = json.loads(
            json.dumps({"format_version": FORMAT_VERSION, "mtkit": __version__, **made_from})
        )
        old = read_manifest(self.steps_dir)
        if old is None:
            self._refuse_foreign()
        elif resume and old != manifest and self.has_results():
            raise MtkitError(
                f"`{self.path}`: was made from something else: "
                f"{', '.join(differences(old, manifest))}",
                "repeat the earlier command, or start over with --no-resume, or name another "
                "directory",
            )
        # Before hours of work, and while what the recipe names is whole.
        self._refuse_edited_recipe()
        # A report from before would claim that everything is complete.
        self.report_path.unlink(missing_ok=True)
        for directory in (self.path, self.steps_dir, *self.steps_dir.glob("*/")):
            if directory.is_dir():
                clean_up_leftovers(directory)
        if old is not None and (not resume or old != manifest):
            self.clear_steps()
        _write(self.steps_dir / MANIFEST_NAME, json.dumps(manifest, indent=2) + "\n")

    def _refuse_edited_recipe(self) -> list[str]:
        """Return the hashes of the recipes that were written, one of which the recipe must have."""
        log = self.steps_dir / _RECIPES
        written: list[str] = json.loads(log.read_bytes()) if log.exists() else []
        if self.recipe_path.exists():
            old = hashlib.sha256(self.recipe_path.read_bytes()).hexdigest()
            if old not in written:
                raise MtkitError(
                    f"`{self.recipe_path}`: was edited, and is not overwritten",
                    "rename it, and run the same command again",
                )
        return written

    def clear_steps(self) -> None:
        """Remove everything but the manifest, by which the directory is known to be ours, and the
        hashes, by which the recipe is."""
        for path in self.steps_dir.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (MANIFEST_NAME, _RECIPES):
                path.unlink()

    def _refuse_foreign(self) -> None:
        names = {path.name for path in self.path.iterdir()} - {"lock", _STEPS}
        if self.steps_dir.is_dir():
            names |= {path.name for path in self.steps_dir.iterdir() if not is_leftover(path)}
        if names:
            raise MtkitError(
                f"`{self.path}`: contains files but no {_STEPS}/{MANIFEST_NAME}, so mtkit did not"
                f" make this {self.what}",
                "name another directory",
            )


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text.encode())

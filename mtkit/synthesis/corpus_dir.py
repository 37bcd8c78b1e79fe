"""Directory of a synthetic corpus. Whatever is complete in it survives a kill.

DIR/
    recipe.yaml                recipe that trains on the corpus
    report.json                counts; written last
    bt.de, bt.en               the corpus
    steps/
        manifest.json          everything that the translations are made from
        recipes.json           hashes of the recipes that were written
        bt/                    a directory for each corpus
            lines.jsonl        the lines to translate, and how many were dropped
            lines.counts.json
            translations.jsonl the same lines with their translations
            scores-....txt     a score for each translation, if models score them
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.atomic import atomic_write, clean_up_leftovers, is_leftover
from mtkit.io.build_manifest import MANIFEST_NAME, content_hash, read_manifest
from mtkit.io.lock import locked
from mtkit.translation.jobs.identity import differences
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.version import __version__
from mtkit.workers.dist_env import DistEnv

_STEPS, _RECIPES = "steps", "recipes.json"
FORMAT_VERSION = 1


class CorpusSteps(NamedTuple):
    """Files of the steps towards one corpus."""

    directory: Path

    @property
    def lines_path(self) -> Path:
        """The lines to translate as JSON objects."""
        return self.directory / "lines.jsonl"

    @property
    def counts_path(self) -> Path:
        """Counts of these lines and of those that were dropped; written after the lines."""
        return self.directory / "lines.counts.json"

    @property
    def translations_path(self) -> Path:
        """The lines with their translations."""
        return self.directory / "translations.jsonl"

    def scores_path(self, made_from: Any) -> Path:
        """The scores of the translations by some models."""
        return self.directory / f"scores-{content_hash(made_from)[:16]}.txt"


def is_finished(path: Path) -> bool:
    """Return whether the file of a step that is made in parts is whole, and its parts are gone."""
    return path.exists() and not parts_path(path).exists()


def resume_of(path: Path) -> bool | None:
    """Return the `resume` of `RunOptions` by which a step continues whatever there is of it."""
    return True if parts_path(path).exists() else None


class CorpusDir:
    """The directory of one or more synthetic corpora.

    Args:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps_dir = path / _STEPS
        self.report_path = path / "report.json"
        self.recipe_path = path / "recipe.yaml"

    def steps(self, name: str) -> CorpusSteps:
        """Return the files of the steps towards a corpus."""
        return CorpusSteps(self.steps_dir / name)

    @contextmanager
    def opened(self, made_from: dict[str, Any], *, resume: bool) -> Iterator[None]:
        """Enter a context in which this process alone fills the directory.

        Args:
            made_from: Everything that determines the translations, as plain values.
            resume: Whether steps of an earlier run of the same command are kept.
        Raises:
            MtkitError: The directory holds other files, or was made from something else, or another
                process fills it, or its recipe was edited, or this process is one of several ranks.
        """
        n_ranks = DistEnv.from_environment().world_size
        if n_ranks > 1:
            raise MtkitError(
                f"{n_ranks} ranks cannot share one synthetic corpus",
                "use --processes on one machine; for several machines, split the text into files, "
                "and make a corpus from each",
            )
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
        """Write the report, which marks the corpus as complete."""
        _write(self.report_path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")

    def _begin(self, made_from: dict[str, Any], *, resume: bool) -> None:
        manifest = json.loads(
            json.dumps({"format_version": FORMAT_VERSION, "mtkit": __version__, **made_from})
        )
        old = read_manifest(self.steps_dir)
        if old is None:
            self._refuse_foreign()
        elif resume and old != manifest and self._has_translations():
            raise MtkitError(
                f"`{self.path}`: was made from something else: "
                f"{', '.join(differences(old, manifest))}",
                "repeat the earlier command, or start over with --no-resume, or name another "
                "directory",
            )
        # Before hours of translation, and while the corpus that the recipe names is whole.
        self._refuse_edited_recipe()
        # A report from before would claim that the corpus is complete.
        self.report_path.unlink(missing_ok=True)
        for directory in (self.path, self.steps_dir, *self.steps_dir.glob("*/")):
            if directory.is_dir():
                clean_up_leftovers(directory)
        if old is not None and (not resume or old != manifest):
            self._clear_steps()
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

    def _has_translations(self) -> bool:
        """Whether there is anything that would take long to make again."""
        return any(self.steps_dir.glob("*/translations.jsonl*"))

    def _clear_steps(self) -> None:
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
                " make this corpus",
                "name another directory",
            )


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text.encode())

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

from pathlib import Path
from typing import Any, NamedTuple

from mtkit.io.build_manifest import content_hash
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.translation.jobs.steps_dir import StepsDir


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


class CorpusDir(StepsDir):
    """The directory of one or more synthetic corpora.

    Args:
        path: The directory.
    """

    what = "synthetic corpus"
    hint_of_ranks = (
        "use --processes on one machine; for several machines, split the text into files, "
        "and make a corpus from each"
    )

    def steps(self, name: str) -> CorpusSteps:
        """Return the files of the steps towards a corpus."""
        return CorpusSteps(self.steps_dir / name)

    def has_results(self) -> bool:
        """See `StepsDir`."""
        return any(self.steps_dir.glob("*/translations.jsonl*"))

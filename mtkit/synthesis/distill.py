"""Sequence-level knowledge distillation (Kim and Rush 2016, arXiv:1606.07947): the training sources
with the translations of a teacher, on which a smaller student is trained."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from mtkit.config.data import CorpusSource, corpus_name
from mtkit.config.presets import STUDENTS
from mtkit.config.recipe import Recipe
from mtkit.config.short_recipe import absolute_paths, recipe_text
from mtkit.config.validation_errors import describe_problems
from mtkit.corpus.clean.held_out_keys import HeldOutKeys
from mtkit.corpus.clean.pair_cleaner import held_out_pairs
from mtkit.errors import MtkitError
from mtkit.synthesis.corpus_dir import CorpusDir
from mtkit.synthesis.dry_run import DryRun, measure
from mtkit.synthesis.line_selection import TrainingSources
from mtkit.synthesis.make_corpus import CorpusReport, SyntheticCorpus, Teacher, make_corpus
from mtkit.synthesis.mixed_recipe import with_corpora
from mtkit.synthesis.pair_rules import PairRules

ALIGNMENT_WEIGHT = 0.1
_HEADING = "A student of the translations of a teacher; written by `mtkit distill`."
_FILE_KEYS = (
    *("file", "format", "separator", "dataset", "dataset_config", "split"),
    *("src_column", "tgt_column", "document_column"),
)
_UNSAFE = re.compile(r"[^\w.+-]")


@dataclass(frozen=True)
class Distillation:
    """A distillation to make."""

    recipe: Recipe
    """Recipe with the training sources; its width and training settings are those of the
    student."""
    teachers: Sequence[Teacher]
    """Teacher for each corpus of the recipe, in order; they differ in their tags only."""
    out_dir: Path
    student: str = "6+2"
    """Name of the changes of the recipe, see `STUDENTS`."""
    nearest_reference: bool = False
    """Whether the translation of the n best is taken that is nearest the reference."""
    aligns: bool = False
    """Whether the student's attention is trained on the teacher's word alignments."""

    def corpora(self) -> Iterator[SyntheticCorpus]:
        """Yield the corpora to make, one for each of the recipe."""
        recipe, data = self.recipe, self.recipe.data
        overlap = recipe.clean.test_overlap
        held_out = None if overlap == "off" else HeldOutKeys(held_out_pairs(recipe), overlap)
        names = file_names(data.train)
        for index, (source, name) in enumerate(zip(data.train, names, strict=True)):
            langs = data.languages_of(source)
            src, tgt = langs if langs[0] != langs[1] else ("src", "tgt")
            rules = PairRules(
                recipe.clean, langs, "tgt", held_out, nearest_reference=self.nearest_reference
            )
            yield SyntheticCorpus(
                name,
                TrainingSources(recipe, index),
                self.teachers[index],
                rules,
                (self.out_dir / f"{name}.{src}", self.out_dir / f"{name}.{tgt}"),
                alignment_path=self.out_dir / f"{name}.links" if self.aligns else None,
            )


class DistillationReport(NamedTuple):
    """Counts of a distillation, and the recipe that was written."""

    corpora: list[CorpusReport]
    recipe_path: Path

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {"corpora": [corpus.to_json() for corpus in self.corpora]}

    def text_lines(self) -> Iterator[str]:
        """Format the report line by line."""
        for corpus in self.corpora:
            if len(self.corpora) > 1:
                yield f"{corpus.name}:"
            yield from corpus.text_lines()
        yield f"{self.recipe_path}: recipe of the student"


def distill(job: Distillation, *, resume: bool = True) -> DistillationReport:
    """Translate the training sources of a recipe, and write corpora, a recipe and a report.

    Killed at any time, the same call continues, with the same result byte for byte.

    Args:
        job: What to translate, and how.
        resume: Whether to continue what an earlier run has left, or to start over.
    Raises:
        MtkitError: A file cannot be read or written, a teacher fails, the directory was made from
            something else, no pair is left, or the student's recipe would be invalid.
    """
    directory = CorpusDir(job.out_dir)
    corpora = list(job.corpora())
    # An invalid recipe is reported before everything is translated.
    recipe = student_recipe(job, corpora)
    # The teachers differ in their tags only, which are those of the corpora.
    sources = [[one.name, one.source.made_from()] for one in corpora]
    tags = [[source.tags, source.tgt_tags] for source in job.recipe.data.train]
    made_from = {"corpora": [sources, tags], **corpora[0].teacher.made_from()}
    with directory.opened(made_from, resume=resume):
        counts = [make_corpus(corpus, directory.steps(corpus.name)) for corpus in corpora]
        directory.save_recipe(recipe_text(recipe, _HEADING))
        report = DistillationReport(counts, directory.recipe_path)
        directory.save_report({"command": "distill", **report.to_json()})
    return report


def estimate(job: Distillation) -> DryRun:
    """Count the lines to translate, and measure the speed; see `measure`."""
    corpora = list(job.corpora())
    student_recipe(job, corpora)
    return measure([(corpus.source, corpus.teacher) for corpus in corpora])


def file_names(sources: Sequence[CorpusSource]) -> list[str]:
    """Return a different name for the files of each corpus."""
    names: list[str] = []
    for source in sources:
        name = _UNSAFE.sub("-", corpus_name(source)).lstrip(".-") or "corpus"
        candidates = [name, *(f"{name}-{number}" for number in range(2, len(sources) + 1))]
        names.append(next(one for one in candidates if one not in names))
    return names


def student_recipe(job: Distillation, corpora: Sequence[SyntheticCorpus]) -> Recipe:
    """Return the recipe that trains a student on distilled corpora.

    Raises:
        MtkitError: The settings of the recipe cannot be those of the student.
    """
    if job.recipe.training.init_from is not None:
        raise MtkitError(
            "the recipe starts from a model (training.init_from), which a student does not",
            "give the recipe without it",
        )
    # Alignments of the references do not fit the translations.
    weight = ALIGNMENT_WEIGHT if job.aligns else 0.0
    changes = STUDENTS[job.student]
    training = {**changes["training"], "alignment_weight": weight}
    recipe = absolute_paths(job.recipe)
    sections = {
        "model": recipe.model.model_copy(update=changes.get("model", {})),
        "training": recipe.training.model_copy(update=training),
    }
    recipe = recipe.model_copy(update=sections)
    train = [
        source.model_copy(
            update={
                **dict.fromkeys(_FILE_KEYS, None),
                "streaming": False,
                "name": corpus_name(source),
                "src": Path(corpus.paths[0].name),
                "tgt": Path(corpus.paths[1].name),
                "alignment": corpus.alignment_path and Path(corpus.alignment_path.name),
            }
        )
        for source, corpus in zip(recipe.data.train, corpora, strict=True)
    ]
    changed = with_corpora(recipe, train, recipe.data.stages)
    try:
        Recipe.model_validate(changed.model_dump())
    except ValidationError as exc:
        problems = describe_problems(exc, Recipe, changed.model_dump(), set())
        raise MtkitError(
            f"the student's recipe: {'; '.join(problem.text for problem in problems)}",
            "change the recipe, or choose another student",
        ) from None
    return changed

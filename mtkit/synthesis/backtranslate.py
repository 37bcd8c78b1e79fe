"""Back-translation (Sennrich et al. 2016): text in the target language, translated into the source
language, as further training pairs with a genuine target side."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.config.recipe import Recipe
from mtkit.config.short_recipe import absolute_paths, recipe_text
from mtkit.io.logs import get_logger
from mtkit.synthesis.corpus_dir import CorpusDir
from mtkit.synthesis.dry_run import DryRun, measure
from mtkit.synthesis.line_selection import MonolingualText, held_out_lines
from mtkit.synthesis.make_corpus import (
    CorpusReport,
    PairFilter,
    SyntheticCorpus,
    Teacher,
    make_corpus,
)
from mtkit.synthesis.mixed_recipe import (
    Mixture,
    count_genuine_pairs,
    mixed_recipe,
    synthetic_name,
)
from mtkit.synthesis.pair_rules import PairRules

logger = get_logger(__name__)

_HEADING = """\
Genuine and back-translated pairs; written by `mtkit backtranslate`. The tokenizer is trained
# again, so that it knows the tag."""


@dataclass(frozen=True)
class BackTranslation:
    """A back-translation to make."""

    text: MonolingualText
    """Text in the target language of the recipe."""
    recipe: Recipe
    """Recipe of the genuine corpora."""
    teacher: Teacher
    """Translates from the target language of the recipe to its source language."""
    out_dir: Path
    mixture: Mixture = field(default_factory=Mixture)
    pair_filter: PairFilter | None = None

    @property
    def paths(self) -> tuple[Path, Path]:
        """Files of the corpus, named after the languages."""
        langs = self.recipe.data.src_lang, self.recipe.data.tgt_lang
        src, tgt = langs if langs[0] != langs[1] else ("src", "tgt")
        return self.out_dir / f"bt.{src}", self.out_dir / f"bt.{tgt}"


class BackTranslationReport(NamedTuple):
    """Counts of a back-translation, and the recipe that was written."""

    corpus: CorpusReport
    recipe_path: Path
    n_genuine: float
    """Genuine pairs in an epoch."""
    weight: float
    """Weight of the synthetic corpus in the recipe."""

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        mixture = {"n_genuine": self.n_genuine, "weight": self.weight}
        return {"corpus": self.corpus.to_json(), "mixture": mixture}

    def text_lines(self) -> Iterator[str]:
        """Format the report line by line."""
        yield from self.corpus.text_lines()
        n_synthetic = round(self.weight * self.corpus.pairs.n_kept)
        yield (
            f"{self.recipe_path}: in each epoch {n_synthetic:,} synthetic and "
            f"{self.n_genuine:,.0f} genuine pairs"
        )


def backtranslate(job: BackTranslation, *, resume: bool = True) -> BackTranslationReport:
    """Translate monolingual text, and write a corpus, a recipe that mixes it in, and a report.

    Killed at any time, the same call continues, with the same result byte for byte.

    Args:
        job: What to translate, and how.
        resume: Whether to continue what an earlier run has left, or to start over.
    Raises:
        MtkitError: A file cannot be read or written, a model cannot be loaded, the directory was
            made from something else, or no pair is left.
    """
    recipe, directory = job.recipe, CorpusDir(job.out_dir)
    job.mixture.check(recipe.data)
    _warn_of_missing_test_set(job)
    made_from = job.text.made_from() | job.teacher.made_from()
    with directory.opened(made_from, resume=resume):
        name = synthetic_name(recipe.data)
        held_out = held_out_lines(recipe, job.text.held_out_paths)
        langs = recipe.data.src_lang, recipe.data.tgt_lang
        corpus = SyntheticCorpus(
            name,
            job.text,
            job.teacher,
            PairRules(recipe.clean, langs, "src", held_out),
            job.paths,
            job.pair_filter,
        )
        counts = make_corpus(corpus, directory.steps(name))
        n_genuine = count_genuine_pairs(recipe.data)
        weight = job.mixture.weight(n_genuine, counts.pairs.n_kept)
        mixed = mixed_recipe(
            absolute_paths(recipe),
            name,
            job.paths,
            job.mixture,
            weight,
            has_documents=job.text.has_documents,
        )
        directory.save_recipe(recipe_text(mixed, _HEADING))
        report = BackTranslationReport(counts, directory.recipe_path, n_genuine, weight)
        directory.save_report({"command": "backtranslate", **report.to_json()})
    return report


def estimate(job: BackTranslation) -> DryRun:
    """Count the lines to translate, and measure the speed; see `measure`."""
    job.mixture.check(job.recipe.data)
    _warn_of_missing_test_set(job)
    return measure([(job.text, job.teacher)])


def _warn_of_missing_test_set(job: BackTranslation) -> None:
    if not job.recipe.data.test and not job.text.held_out_paths:
        logger.warning(
            "no test set is held out: the recipe has no data.test; lines of a test set in the text"
            " would inflate its scores, so name it with --held-out"
        )

"""Adaptation to a translation memory: mixed fine-tuning (Chu et al. 2017, arXiv:1701.03214), with
scores before and after on the memory and on general text."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.adaptation.base_model import BaseModel
from mtkit.adaptation.direction import Direction
from mtkit.adaptation.general_text import GeneralText
from mtkit.adaptation.report import AdaptationReport, DomainResult
from mtkit.adaptation.settings import FineTuning, adaptation_recipe
from mtkit.adaptation.texts import (
    Domain,
    TextCounts,
    TextFiles,
    load_counts,
    made_from,
    read_texts,
    save_counts,
)
from mtkit.config.data import CorpusSource
from mtkit.config.recipe import Recipe
from mtkit.io.atomic import atomic_dir, atomic_write, remove_dir
from mtkit.io.find_model import is_model_dir
from mtkit.io.logs import get_logger
from mtkit.io.progress import progress
from mtkit.io.text import read_lines, write_lines
from mtkit.training.sizing.dry_run import DryRunReport, dry_run
from mtkit.training.train import train
from mtkit.translation.context import sliding_contexts
from mtkit.translation.jobs.identity import model_identity
from mtkit.translation.jobs.steps_dir import StepsDir
from mtkit.translation.translator import Translator

logger = get_logger(__name__)

_N_SHOWN = 5
"""Tags that a message lists."""


@dataclass(frozen=True)
class Adaptation:
    """An adaptation to make."""

    model_dir: Path
    """The model; it is not changed."""
    memory: Sequence[CorpusSource]
    """The translation memory, of one or more files."""
    out_dir: Path
    general: GeneralText = field(default_factory=GeneralText)
    tuning: FineTuning = field(default_factory=FineTuning)
    device: str = "auto"
    n_threads: int | None = None
    """CPU threads; None is one per core."""
    direction: Direction | None = None
    """Languages and tags of the memory, see `choose_direction`; None if the model has only one
    direction."""


class AdaptationDir(StepsDir):
    """The directory of an adaptation.

    DIR/
        model/          the adapted model
        recipe.yaml     recipe that trains it
        report.json     scores before and after; written last
        texts/          the parts of the memory, and of general text
        steps/
            manifest.json, recipes.json
            texts.json  counts of the texts; written after them
            work/       tokenizer, token store and run of training
            before/     translations of the tests by the original model
            after/      those by the adapted model
            training.json  written after the adapted model

    Args:
        path: The directory.
    """

    what = "adaptation"
    hint_of_ranks = "run it in one process; `mtkit train --nproc` can train with the recipe"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.model_dir = path / "model"
        self.texts_dir = path / "texts"
        self.counts_path = self.steps_dir / "texts.json"
        self.training_path = self.steps_dir / "training.json"

    def has_results(self) -> bool:
        """See `StepsDir`."""
        return (self.steps_dir / "work" / "run" / "identity.json").exists()

    def clear_steps(self) -> None:
        """See `StepsDir`; the texts are written again."""
        if self.model_dir.exists():
            remove_dir(self.model_dir)
        super().clear_steps()

    def translations_path(self, when: str, domain: Domain) -> Path:
        """Return the file of the translations of a test."""
        return self.steps_dir / when / f"{domain}.txt"


def adapt(job: Adaptation, *, resume: bool = True) -> AdaptationReport:
    """Adapt a model to a translation memory, and compare it with the original one.

    Killed at any time, the same call continues, with the same result byte for byte.

    Args:
        job: What to adapt, and how.
        resume: Whether to continue what an earlier run has left, or to start over.
    Raises:
        MtkitError: A file cannot be read or written, the model cannot be adapted, the memory is too
            small, or the directory was made from something else.
        Interrupted: SIGINT or SIGTERM was received during training.
    """
    base = BaseModel.load(job.model_dir, job.direction)
    directory = AdaptationDir(job.out_dir)
    _warn(job, base)
    settings = {
        "ratio": job.general.ratio,
        "max_epochs": job.tuning.max_epochs,
        "learning_rate": job.tuning.learning_rate,
    }
    origin = made_from(job.memory, job.general, base)
    origin |= {"models": [model_identity(job.model_dir)], "settings": settings}
    if job.direction is not None:
        origin["direction"] = list(map(list, job.direction))
    with directory.opened(origin, resume=resume):
        counts = _make_texts(job, base, directory)
        _, text = adaptation_recipe(
            base, TextFiles(Path("texts"), base.langs), counts, job.general.ratio, job.tuning
        )
        directory.save_recipe(text)
        test = _Tests(job, base, directory, counts)
        test.translate("before", job.model_dir)
        n_steps = _train(job, directory)
        test.translate("after", directory.model_dir)
        report = AdaptationReport(
            directory.model_dir, directory.recipe_path, counts, n_steps, list(test.results())
        )
        directory.save_report({"command": "adapt", **report.to_json()})
    return report


class AdaptationEstimate(NamedTuple):
    """Result of a dry run."""

    texts: TextCounts
    training: DryRunReport

    def text_lines(self) -> Iterator[str]:
        """Format the estimate line by line."""
        yield from self.texts.text_lines()
        yield from str(self.training).splitlines()
        for problem in self.training.problems:
            yield f"problem: {problem.message}; {problem.hint}"

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as a JSON object."""
        return {
            "dry_run": True,
            "texts": self.texts.to_json(),
            "training": dict(self.training.facts),
            "problems": [problem.message for problem in self.training.problems],
        }


def estimate(job: Adaptation) -> AdaptationEstimate:
    """Read and split the texts, and measure what training needs; writes temporary files only.

    Raises:
        MtkitError: See `adapt`.
    """
    base = BaseModel.load(job.model_dir, job.direction)
    _warn(job, base)
    made_from(job.memory, job.general, base)
    texts, counts = read_texts(job.memory, job.general, base, job.tuning.max_epochs)
    with tempfile.TemporaryDirectory(prefix="mtkit-adapt-") as temporary:
        directory = Path(temporary)
        TextFiles(directory / "texts", base.langs).write(texts)
        _, text = adaptation_recipe(
            base, TextFiles(Path("texts"), base.langs), counts, job.general.ratio, job.tuning
        )
        (directory / "recipe.yaml").write_text(text, encoding="utf-8")
        recipe = Recipe.load(directory / "recipe.yaml")
        report = dry_run(recipe, device=job.device, n_threads=job.n_threads)
        # The run directory is a temporary one here.
        report.facts = [fact for fact in report.facts if fact[0] != "run"]
        return AdaptationEstimate(counts, report)


def _warn(job: Adaptation, base: BaseModel) -> None:
    """Log what the adapted model will not have learned, or will have forgotten."""
    direction, known = base.direction, base.config.tags
    if direction.tags or direction.langs != (base.config.src_lang, base.config.tgt_lang):
        src, tgt = direction.langs
        tags = " ".join((*direction.tags, *direction.tgt_tags))
        logger.info("direction: from %s to %s%s", src, tgt, f", tags {tags}" if tags else "")
    if lost := [tag for tag in known if tag not in (*direction.tags, *direction.general_tags)]:
        shown = ", ".join(lost[:_N_SHOWN]) + (" and others" if len(lost) > _N_SHOWN else "")
        logger.info("the adapted model will not know the tags %s; the original keeps them", shown)
    if n := base.config.context:
        has_documents = job.general.with_context(n).has_documents
        logger.warning(
            "the model was trained with data.context: %d, but each segment of the memory is trained"
            " on and tested alone%s",
            n,
            ""
            if has_documents
            else ", and so is general text, which has no documents: the model may forget to use"
            " its context",
        )
    if job.general.data is None:
        logger.warning(
            "no general text: what the model forgets cannot be measured, and only the original"
            " model as a teacher counters it; name general text with --general"
        )


def _make_texts(job: Adaptation, base: BaseModel, directory: AdaptationDir) -> TextCounts:
    """Write the texts, unless an earlier run has, and return their counts."""
    counts = load_counts(directory.counts_path)
    if counts is None:
        texts, counts = read_texts(job.memory, job.general, base, job.tuning.max_epochs)
        if directory.texts_dir.exists():
            remove_dir(directory.texts_dir)
        TextFiles(directory.texts_dir, base.langs).write(texts)
        save_counts(counts, directory.counts_path)
    for line in counts.text_lines():
        logger.info("%s", line)
    return counts


def _train(job: Adaptation, directory: AdaptationDir) -> int:
    """Train the adapted model, unless an earlier run has, and return the number of updates."""
    path = directory.training_path
    if path.exists() and is_model_dir(directory.model_dir):
        return json.loads(path.read_bytes())["n_steps"]
    recipe = Recipe.load(directory.recipe_path)
    result = train(recipe, device=job.device, n_threads=job.n_threads)
    with atomic_dir(directory.model_dir) as model_dir:
        shutil.copytree(result.model_dir, model_dir, dirs_exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(json.dumps({"n_steps": result.n_steps}).encode())
    return result.n_steps


class _Tests:
    """Translates the tests, and compares the translations."""

    def __init__(
        self, job: Adaptation, base: BaseModel, directory: AdaptationDir, counts: TextCounts
    ) -> None:
        self._job, self._directory, self._metrics = job, directory, base.metrics()
        self._direction = base.direction
        self._contexts = {"general": base.config.context} if counts.has_documents else {}
        files = TextFiles(directory.texts_dir, base.langs)
        self._paths = {
            domain: files.paths(domain, "test")
            for domain in ("memory", "general")
            if counts.n_pairs.get(f"{domain}.test")
        }

    def translate(self, when: str, model_dir: Path) -> None:
        """Translate the tests that an earlier run has not translated."""
        missing = {
            domain: path
            for domain in self._paths
            if not (path := self._directory.translations_path(when, domain)).exists()
        }
        if not missing:
            return
        job = self._job
        load = cache(
            partial(Translator.load, model_dir, device=job.device, n_workers=job.n_threads)
        )
        direction = self._direction
        for domain, path in missing.items():
            tags = direction.tags if domain == "memory" else direction.general_tags
            translator = load(tags=tags, tgt_tags=direction.tgt_tags)
            src = list(read_lines(self._paths[domain][0]))
            title = f"Translating the {domain} test, {when}"
            with progress(title, len(src)) as bar:
                found = translator.stream(
                    src,
                    contexts=sliding_contexts(src, self._contexts.get(domain, 0)),
                    on_lines=bar.advance,
                )
                write_lines(path, (one.text for one in found))

    def results(self) -> Iterator[DomainResult]:
        """Compare the translations; blank lines only end documents."""
        for domain, (_, tgt_path) in self._paths.items():
            references = list(read_lines(tgt_path))
            is_text = [bool(line.strip()) for line in references]
            paths = {
                when: self._directory.translations_path(when, domain)
                for when in ("before", "after")
            }
            translations = {
                when: list(compress(read_lines(path), is_text)) for when, path in paths.items()
            }
            kept = list(compress(references, is_text))
            yield DomainResult.of(domain, translations, kept, self._metrics)

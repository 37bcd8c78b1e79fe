"""Filter of pairs by models of both directions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.synthesis.agreement import Keep, cross_entropy, dual_cross_entropy
from mtkit.synthesis.corpus_dir import resume_of
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.identity import model_identity
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.part_worker import PartsOptions
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.records import ChunkResult, LineChunk, OutputLine
from mtkit.translation.result import FlagCounts
from mtkit.translation.translator import Translator


class ScoringModel(NamedTuple):
    """Models of one direction."""

    model_dirs: tuple[Path, ...]
    load: dict[str, Any]
    """Arguments of `Translator.load`, such as precision and tags."""

    def made_from(self) -> dict[str, Any]:
        """Return everything that determines the scores."""
        load = {name: value for name, value in self.load.items() if value}
        return {"models": [*map(model_identity, self.model_dirs)], "load": load}


class AgreementFilter(NamedTuple):
    """Models that score translations, and the share of the pairs that is kept."""

    backward: ScoringModel
    """Translates the text; usually the teacher."""
    forward: ScoringModel
    """Translates the translations back."""
    keep: Keep = 0.9
    """Share of the pairs, or `knee`, see `threshold_of`."""
    run: RunOptions = RunOptions()

    def made_from(self) -> dict[str, Any]:
        """Return everything that determines the scores, except the translations."""
        return {"backward": self.backward.made_from(), "forward": self.forward.made_from()}

    def score(self, translations_path: Path, scores_path: Path) -> None:
        """Score all translations of a file, one line each; continues where it was interrupted.

        Args:
            translations_path: JSON objects with `text` and `translation`.
            scores_path: Receives the scores; the line of a blank translation is blank.
        """
        layout = choose_layout(self.run.device, self.run.n_processes, self.run.n_workers, None)
        pool = WorkerPool(AgreementScorer, lambda index: (self, layout, index), layout.n_processes)
        files = TranslationFiles(translations_path, scores_path)
        options = PartsOptions(title="Scoring")
        made_from = {"settings": self.made_from()}
        translate_in_parts(files, pool, made_from, resume_of(scores_path), options)


class AgreementScorer:
    """Scores chunks of translations, in any process.

    Args:
        agreement: The models.
        layout: Devices and processes.
        index: Index of this process.
    """

    def __init__(self, agreement: AgreementFilter, layout: DeviceLayout, index: int = 0) -> None:
        self._translators = [
            Translator.load(
                list(models.model_dirs),
                device=layout.devices[index],
                n_workers=layout.n_workers,
                **models.load,
            )
            for models in (agreement.backward, agreement.forward)
        ]

    def __call__(
        self, chunk: LineChunk, on_lines: Callable[[int], None] | None = None
    ) -> ChunkResult:
        """Score the translations of a chunk of JSON objects."""
        records = [json.loads(line.text) for line in chunk.lines]
        texts = [record["text"] for record in records]
        translations = [record["translation"]["text"] for record in records]
        backward, forward = (
            translator.pair_scorer.score(sources, targets, translator.search_config())
            for translator, sources, targets in zip(
                self._translators, (texts, translations), (translations, texts), strict=True
            )
        )
        if on_lines is not None:
            on_lines(len(texts))
        lines = [
            f"{dual_cross_entropy(cross_entropy(one), cross_entropy(other)):.6f}"
            if translation.strip()
            else ""
            for translation, one, other in zip(translations, backward, forward, strict=True)
        ]
        return ChunkResult([OutputLine(line) for line in lines], FlagCounts())

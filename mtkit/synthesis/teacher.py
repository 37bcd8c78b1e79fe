"""Teachers: what translates the lines of a synthetic corpus."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from mtkit.config.data import CorpusSource, DataConfig
from mtkit.engines.choose import EngineName
from mtkit.errors import MtkitError
from mtkit.io.find_model import context_of_model, tags_of_model
from mtkit.io.json_command import Answer, run_json_command
from mtkit.io.logs import get_logger
from mtkit.synthesis.corpus_dir import resume_of
from mtkit.synthesis.line_selection import DOCUMENT
from mtkit.translation.jobs.device_layout import DeviceLayout, choose_layout
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.part_worker import PartsOptions
from mtkit.translation.jobs.parts_dir import MAX_PART_LINES
from mtkit.translation.jobs.translate_file import translate_file
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles, TranslationSpec
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.records import ChunkResult, InputLine, LineChunk, OutputLine
from mtkit.translation.result import FlagCounts

logger = get_logger(__name__)


@dataclass(frozen=True)
class ModelTeacher:
    """Models of mtkit."""

    model_dirs: tuple[Path, ...]
    """A model directory, or several for an ensemble."""
    search: dict[str, Any] = field(default_factory=dict)
    """See `TranslationSpec`."""
    load: dict[str, Any] = field(default_factory=dict)
    """See `TranslationSpec`."""
    run: RunOptions = field(default_factory=RunOptions)
    engine: EngineName = "torch"
    n_best: int | None = None
    """Number of translations of each line; None is the best one."""
    alignments: bool = False
    """Whether the words of each translation are aligned with those of its source."""
    has_documents: bool = False
    """Whether the lines have documents, in which the models read the lines before each as context,
    if they were trained with context."""

    @property
    def scoring_load(self) -> dict[str, Any]:
        """Arguments of `Translator.load` for scoring, which does not search."""
        return {name: value for name, value in self.load.items() if name != "compiled"}

    def made_from(self) -> dict[str, Any]:
        """See `Teacher`."""
        made_from = self._spec(Path(os.devnull)).made_from(self._layout())
        settings = made_from["settings"]
        # Part of what the lines are made from.
        settings.pop("document_field", None)
        if "n_best" in settings:
            # By the name of the option.
            settings["interpolate"] = settings.pop("n_best")
        return made_from

    def translate(self, lines_path: Path, out_path: Path) -> None:
        """See `Teacher`."""
        n = context_of_model(self.model_dirs[0])
        if n and not self.has_documents:
            logger.warning(
                "the teacher was trained with data.context: %d, but translates each line alone:"
                " without data.context in the recipe, or with documents: false, the text has no"
                " documents",
                n,
            )
        run = replace(self.run, resume=resume_of(out_path))
        translate_file(self._spec(lines_path, out_path), run)

    def seconds_per_line(self, records: Sequence[dict[str, Any]]) -> float:
        """See `Teacher`."""
        layout = self._layout()
        alone = replace(layout, devices=layout.devices[:1], n_processes=0)
        pool = self._spec(Path(os.devnull)).pool(alone)
        pool.load()
        lines = [InputLine(json.dumps(record)) for record in records]
        started_s = time.monotonic()
        for _ in pool.translate([LineChunk(1, lines)], lambda n: None):
            pass
        return (time.monotonic() - started_s) / len(records) / max(1, layout.n_processes)

    def for_corpus(self, source: CorpusSource, data: DataConfig) -> Self:
        """Return the teacher of a training corpus.

        It has the tags of the corpus, as far as the models know them, and its documents.
        """
        known = tags_of_model(self.model_dirs[0])
        tags = {
            key: (*self.load.get(key, ()), *(tag for tag in own if tag in names))
            for key, own, names in zip(
                ("tags", "tgt_tags"), (source.tags, source.tgt_tags), known, strict=True
            )
        }
        has_documents = data.has_documents(source)
        return replace(self, load=self.load | tags, has_documents=has_documents)

    def _layout(self) -> DeviceLayout:
        run = self.run
        return choose_layout(run.device, run.n_processes, run.n_workers, None, engine=self.engine)

    def _spec(self, lines_path: Path, out_path: Path | None = None) -> TranslationSpec:
        lines = LineOptions(
            input_format="jsonl",
            fields=("text",),
            fields_out=("translation",),
            document_field=DOCUMENT if self.has_documents else None,
            details=True,
            n_best=self.n_best,
            alignments="inline" if self.alignments else None,
        )
        return TranslationSpec(
            TranslationFiles(lines_path, out_path),
            self.model_dirs,
            lines,
            search=self.search,
            load=self.load,
            engine=self.engine,
            are_documents=self.has_documents,
        )


@dataclass(frozen=True)
class CommandTeacher:
    """A program: it reads JSON objects with `id` and `source`, and adds `translation` to each.

    Lines of a text with documents have a `document` as well, the number of their document.
    `translation` is a text or, for several candidates, a list of texts with the best first. The
    program is run once for each part of the lines, so that finished parts survive a kill.
    """

    command: str
    n_best: int | None = None
    """Number of candidates that are kept; None is the best one."""

    def made_from(self) -> dict[str, Any]:
        """See `Teacher`."""
        return {"settings": {"teacher_command": self.command, "interpolate": self.n_best}}

    def translate(self, lines_path: Path, out_path: Path) -> None:
        """See `Teacher`."""
        pool = WorkerPool(CommandTranslator, lambda index: (self,))
        options = PartsOptions(chunk_lines=MAX_PART_LINES)
        files = TranslationFiles(lines_path, out_path)
        translate_in_parts(files, pool, self.made_from(), resume_of(out_path), options)

    def seconds_per_line(self, records: Sequence[dict[str, Any]]) -> float:
        """See `Teacher`; the start of the program is included."""
        started_s = time.monotonic()
        self.candidates(records)
        return (time.monotonic() - started_s) / len(records)

    def candidates(
        self, records: Sequence[dict[str, Any]], on_lines: Callable[[int], None] | None = None
    ) -> list[list[str]]:
        """Return the candidates for each line.

        Args:
            records: The lines, see `selected_records`.
            on_lines: See `run_json_command`.
        Raises:
            MtkitError: See `run_json_command`; or a translation is missing.
        """
        objects = [
            {"id": str(number), "source": record["text"]}
            | ({DOCUMENT: record[DOCUMENT]} if DOCUMENT in record else {})
            for number, record in enumerate(records, 1)
        ]
        answers = run_json_command("teacher", self.command, objects, on_lines)
        return [_candidates(answer)[: self.n_best or 1] for answer in answers]


class CommandTranslator:
    """Translates chunks with a program."""

    def __init__(self, teacher: CommandTeacher) -> None:
        self._teacher = teacher

    def __call__(
        self, chunk: LineChunk, on_lines: Callable[[int], None] | None = None
    ) -> ChunkResult:
        """Add the translations of a chunk of JSON objects."""
        records = [json.loads(line.text) for line in chunk.lines]
        found = self._teacher.candidates(records, on_lines)
        for record, texts in zip(records, found, strict=True):
            record["translation"] = {"text": texts[0], "flags": []}
            if self._teacher.n_best is not None:
                record["translation"]["n_best"] = [{"text": text} for text in texts]
        lines = [OutputLine(json.dumps(record, ensure_ascii=False)) for record in records]
        return ChunkResult(lines, FlagCounts())


def _candidates(answer: Answer) -> list[str]:
    found = answer.fields.get("translation")
    texts: list[Any] = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise MtkitError(
            f"{answer.where}: translation {found!r} is neither a text nor a list of texts",
            "each line needs the field translation",
        )
    return texts

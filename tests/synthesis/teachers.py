"""Teachers and filters that need no model, for tests and for worker processes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtkit.synthesis.agreement import Keep
from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.part_worker import PartsOptions
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.records import ChunkResult, OutputLine
from mtkit.translation.result import FlagCounts


def reversed_words(text):
    """The translation of a text, unless the text asks for another one."""
    if text.startswith("copy"):
        return text
    if text.startswith("loop"):
        return "ha " * 8
    return " ".join(word[::-1] for word in text.split())


class Reversing:
    """Line function that reverses the letters of each word."""

    def __call__(self, chunk, on_lines=lambda n: None):
        records = [json.loads(line.text) for line in chunk.lines]
        for record in records:
            text = reversed_words(record["text"])
            flags = ["short"] if record["text"].startswith("short") else []
            record["translation"] = {"text": text, "score": -1.0, "flags": flags}
        on_lines(len(records))
        lines = [OutputLine(json.dumps(record, ensure_ascii=False)) for record in records]
        return ChunkResult(lines, FlagCounts())


class Counting:
    """Line function that scores a pair by its line number."""

    def __call__(self, chunk, on_lines=lambda n: None):
        on_lines(len(chunk.lines))
        numbers = range(chunk.first_number, chunk.first_number + len(chunk.lines))
        return ChunkResult([OutputLine(f"{1 / number:.6f}") for number in numbers], FlagCounts())


def in_parts(input_path: Path, output_path: Path, function: Any) -> None:
    resume = True if parts_path(output_path).exists() else None
    options = PartsOptions(chunk_lines=3, lines_per_part=7)
    files = TranslationFiles(input_path, output_path)
    translate_in_parts(files, WorkerPool(function), {"settings": {}}, resume, options)


class FakeTeacher:
    """Reverses words; its settings are those that it is given."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def made_from(self) -> dict[str, Any]:
        return {"settings": self.settings}

    def translate(self, lines_path: Path, out_path: Path) -> None:
        in_parts(lines_path, out_path, Reversing)

    def seconds_per_line(self, records: Sequence[dict[str, Any]]) -> float:
        assert records
        return 2.0


class FakeFilter:
    """Keeps the first pairs."""

    def __init__(self, keep: Keep) -> None:
        self.keep: Keep = keep

    def made_from(self) -> dict[str, Any]:
        return {}

    def score(self, translations_path: Path, scores_path: Path) -> None:
        in_parts(translations_path, scores_path, Counting)

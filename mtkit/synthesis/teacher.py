"""Teachers: what translates the lines of a synthetic corpus."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mtkit.translation.jobs.device_layout import choose_layout
from mtkit.translation.jobs.parts_dir import parts_path
from mtkit.translation.jobs.translate_file import translate_file
from mtkit.translation.jobs.translation_spec import RunOptions, TranslationFiles, TranslationSpec
from mtkit.translation.lines.line_options import LineOptions
from mtkit.translation.lines.records import InputLine, LineChunk


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
    engine: Literal["torch", "ctranslate2"] = "torch"
    n_best: int | None = None
    """Number of translations of each line; None is the best one."""
    alignments: bool = False
    """Whether the words of each translation are aligned with those of its source."""

    def made_from(self) -> dict[str, Any]:
        """See `Teacher`."""
        return self._spec(Path(os.devnull)).made_from(self._layout())

    def translate(self, lines_path: Path, out_path: Path) -> None:
        """See `Teacher`."""
        resume = True if parts_path(out_path).exists() else None
        translate_file(self._spec(lines_path, out_path), replace(self.run, resume=resume))

    def seconds_per_line(self, texts: Sequence[str]) -> float:
        """See `Teacher`."""
        layout = self._layout()
        alone = replace(layout, devices=layout.devices[:1], n_processes=0)
        pool = self._spec(Path(os.devnull)).pool(alone)
        pool.load()
        lines = [InputLine(json.dumps({"text": text})) for text in texts]
        started_s = time.monotonic()
        for _ in pool.translate([LineChunk(1, lines)], lambda n: None):
            pass
        return (time.monotonic() - started_s) / len(texts) / max(1, layout.n_processes)

    def _layout(self) -> Any:
        return choose_layout(self.run.device, self.run.n_processes, self.run.n_workers, None)

    def _spec(self, lines_path: Path, out_path: Path | None = None) -> TranslationSpec:
        lines = LineOptions(
            input_format="jsonl",
            fields=("text",),
            fields_out=("translation",),
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
        )

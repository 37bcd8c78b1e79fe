"""Line functions that need no model, importable by worker processes."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtkit.translation.jobs.translation_spec import TranslationSpec
from mtkit.translation.jobs.worker_pool import WorkerPool
from mtkit.translation.lines.records import ChunkResult, LineChunk, OutputLine
from mtkit.translation.result import FlagCounts


class Upper:
    """Capitals, and the line's number.

    `die` kills the process, `interrupt` interrupts it, `bad` is answered with one line too few. The
    alignment of a line is its prefix and its constraints.
    """

    def __init__(
        self, delay_s: float = 0.0, header: str | None = None, lines_each: int = 1
    ) -> None:
        self.delay_s, self.header, self.lines_each = delay_s, header, lines_each

    def __call__(
        self, chunk: LineChunk, on_lines: Callable[[int], None] = lambda n: None
    ) -> ChunkResult:
        texts = [line.text for line in chunk.lines]
        if "die" in texts:
            os._exit(9)
        if "interrupt" in texts:
            raise KeyboardInterrupt
        time.sleep(self.delay_s)
        on_lines(len(texts))
        lines = [
            OutputLine(
                "\n".join([f"{number}\t{line.text.upper()}"] * self.lines_each),
                f"{line.prefix}|{line.constraints}",
            )
            for number, line in enumerate(chunk.lines, chunk.first_number)
        ]
        header = None if self.header is None or not chunk.is_first else OutputLine(self.header, "")
        return ChunkResult(lines[:-1] if "bad" in texts else lines, FlagCounts(), header)


@dataclass(frozen=True)
class UpperSpec(TranslationSpec):
    """A translation by `Upper`. The first process that reads a line `kill me` kills itself."""

    delay_s: float = 0.0

    def made_from(self, layout):
        return {"settings": {"delay_s": self.delay_s}}

    def pool(self, layout):
        return WorkerPool(_KilledOnce, lambda index: (self.delay_s, self.files.input_path))


class _KilledOnce(Upper):
    def __init__(self, delay_s: float, input_path: Path) -> None:
        super().__init__(delay_s)
        self.marker = input_path.with_name("killed")

    def __call__(self, chunk, on_lines=lambda n: None):
        texts = {line.text for line in chunk.lines}
        if "kill me always" in texts or ("kill me" in texts and not self.marker.exists()):
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(chunk, on_lines)

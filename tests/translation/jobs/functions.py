"""Line functions that need no model, importable by worker processes."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mtkit.translation.lines.flag_counts import FlagCounts


class Upper:
    """Capitals, and the line's number; `die` kills the process, `bad` is answered with too few lines."""

    def __init__(
        self, delay_s: float = 0.0, header: str | None = None, lines_each: int = 1
    ) -> None:
        self.delay_s, self._header, self.lines_each = delay_s, header, lines_each

    def header(self) -> str | None:
        return self._header

    def take_flags(self) -> FlagCounts:
        return FlagCounts()

    def __call__(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        on_lines: Callable[[int], None] | None = None,
        journal_path: Path | None = None,
    ) -> list[str]:
        if "die" in lines:
            os._exit(9)
        if "interrupt" in lines:
            raise KeyboardInterrupt
        time.sleep(self.delay_s)
        if on_lines is not None:
            on_lines(len(lines))
        found = [
            "\n".join([f"{number}\t{line.upper()}"] * self.lines_each)
            for number, line in enumerate(lines, first_number)
        ]
        return found[:-1] if "bad" in lines else found

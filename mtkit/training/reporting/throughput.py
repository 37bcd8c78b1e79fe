"""Speed of training, and the remaining time."""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

Pause = Literal["validating", "saving"]
"""Reasons to interrupt training."""

RECENT_S = 60.0
"""Minimum number of seconds of training over which the rate is measured."""
MIN_RECENT = 10
"""Minimum number of marks over which the rate is measured; a mark is set every second, or every
slower step."""
_MARK_EVERY_S = 1.0


class Throughput:
    """Counts steps and measures time.

    The rate is that of recent training steps, so a slow start (compilation, reading files for the
    first time) is soon forgotten. The remaining time includes future validations and checkpoints,
    each as long as the last one.

    Args:
        done: Steps made so far.
        total: Number of steps of the whole training.
        every: Steps between two pauses for a reason; a missing reason never occurs.
    """

    def __init__(self, done: int, total: int, every: Mapping[Pause, int]) -> None:
        self.done, self.total, self.every = done, total, every
        self.paused_for: Pause | None = None
        self._pause_s: dict[Pause, float] = {}
        self._all_pauses_s = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._last_s = 0.0

    def count(self, n: int, now: float) -> None:
        """Count steps; `now` is `time.monotonic()`."""
        self.done += n
        now -= self._all_pauses_s
        self._last_s = now
        if not self._marks or now >= self._marks[-1][0] + _MARK_EVERY_S:
            self._marks.append((now, self.done))
            while len(self._marks) > MIN_RECENT and self._marks[0][0] < now - RECENT_S:
                self._marks.popleft()

    def rollback(self, step: int) -> None:
        """Return to an earlier step."""
        self.done = step
        self._marks.clear()

    @contextmanager
    def pause(self, reason: Pause) -> Iterator[None]:
        """Exclude the time within this context from the rate."""
        self.paused_for, since = reason, time.monotonic()
        try:
            yield
        finally:
            self._pause_s[reason] = time.monotonic() - since
            self._all_pauses_s += self._pause_s[reason]
            self.paused_for = None

    @property
    def steps_per_s(self) -> float | None:
        """Rate without pauses; None if unknown."""
        if not self._marks or self._last_s <= self._marks[0][0]:
            return None
        first_s, first = self._marks[0]
        return (self.done - first) / (self._last_s - first_s)

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the last step, including pauses; None if unknown."""
        rate = self.steps_per_s
        if not rate:
            return None
        n_steps = self.total - self.done
        n_pauses = {reason: math.ceil(n_steps / every) for reason, every in self.every.items()}
        if "saving" in n_pauses:
            # Validations save, too.
            n_pauses["saving"] = max(0, n_pauses["saving"] - n_pauses.get("validating", 0))
        pauses = (n_pauses.get(reason, 0) * seconds for reason, seconds in self._pause_s.items())
        return n_steps / rate + sum(pauses)

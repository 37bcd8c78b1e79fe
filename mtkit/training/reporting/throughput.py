"""How fast training is at the moment, and how long it will take."""

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Literal

Pause = Literal["validating", "saving"]
"""What training is interrupted for."""

RECENT_S = 60.0
"""The rate is that of so many seconds of training ..."""
MIN_RECENT = 10
"""... and of so many moments at least; a moment is a second, or a step that takes longer."""
_MOMENT_S = 1.0


class Throughput:
    """Counts steps and watches the clock.

    The rate is of recent steps and of training alone, so that a slow start (a model is compiled, files are read for the first time) is soon
    forgotten; the time that is left has in it the validations and checkpoints to come, each as long as the last one took.

    Args:
        done: Steps made so far.
        total: Steps to make in all.
        every: Steps between two interruptions of a kind; one that is missing never comes.
    """

    def __init__(self, done: int, total: int, every: Mapping[Pause, int]) -> None:
        self.done, self.total, self.every = done, total, every
        self.paused_for: Pause | None = None
        """What training is interrupted for at this moment."""
        self._apart_s: dict[Pause, float] = {}
        self._apart_since = 0.0
        self._all_apart_s = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._last_s = 0.0

    def count(self, n: int, now: float) -> None:
        """So many steps more; it is `now`, by `time.monotonic()`."""
        self.done += n
        now -= self._all_apart_s
        self._last_s = now
        if not self._marks or now >= self._marks[-1][0] + _MOMENT_S:
            self._marks.append((now, self.done))
            while len(self._marks) > MIN_RECENT and self._marks[0][0] < now - RECENT_S:
                self._marks.popleft()

    def rollback(self, step: int) -> None:
        """Training goes back to a step."""
        self.done = step
        self._marks.clear()

    def pause(self, what: Pause) -> None:
        """Training stands still until `go_on`."""
        self.paused_for, self._apart_since = what, time.monotonic()

    def resume(self) -> None:
        """After `interrupt`."""
        if self.paused_for is not None:
            elapsed_s = time.monotonic() - self._apart_since
            self._apart_s[self.paused_for] = elapsed_s
            self._all_apart_s += elapsed_s
            self.paused_for = None

    @property
    def steps_per_s(self) -> float | None:
        """Of training alone; None until it is known."""
        if not self._marks or self._last_s <= self._marks[0][0]:
            return None
        first_s, first = self._marks[0]
        return (self.done - first) / (self._last_s - first_s)

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the last step, interruptions included; None until it is known."""
        rate = self.steps_per_s
        if not rate:
            return None
        return (self.total - self.done) / rate + sum(
            self._n_left(what) * seconds for what, seconds in self._apart_s.items()
        )

    def _n_left(self, what: Pause) -> int:
        """Interruptions of a kind that are still to come. A validation saves too, and the last step has both."""
        every = self.every.get(what)
        if every is None or self.done >= self.total:
            return 0
        n = self._n_multiples(every)
        validates = self.every.get("validating")
        if what == "saving" and validates is not None:
            return n - self._n_multiples(math.lcm(every, validates))
        return n + 1

    def _n_multiples(self, number: int) -> int:
        """Steps to come before the last that it divides."""
        return (self.total - 1) // number - self.done // number

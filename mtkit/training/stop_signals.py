"""When to stop or save, and who asked for it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, Self

from mtkit.workers.dist_env import DistEnv

_ECHO_S = 1.0
"""A scheduler may send a signal to all processes, and the launcher hand on its own: what comes that soon after the first is the same."""


class PendingActions(NamedTuple):
    """What is wanted after the step in progress, each 1 or 0; summed over all processes, so that they agree."""

    stop: int
    """SIGINT or SIGTERM came: save, and leave with their exit status."""
    end: int
    """The time is up: save, and leave in peace."""
    save: int
    """SIGUSR1 came: save, and go on."""


class StopSignals:
    """Turns SIGINT, SIGTERM, SIGUSR1 and a limit of time into wishes that training heeds after the step in progress.

    A second SIGINT or SIGTERM acts at once, and before training heeds them both act as they did before; SIGUSR1 is remembered. A context manager;
    outside the main thread, where Python takes no signals, only the time counts.

    Args:
        max_time_s: Time from now on.
    """

    def __init__(self, max_time_s: float | None = None) -> None:
        self.signal_number: int | None = None
        self._ends_s = None if max_time_s is None else time.monotonic() + max_time_s
        self._stopped_s = 0.0
        self._is_save_wanted = False
        self._is_heeded = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        handlers = {signal.SIGINT: self._stop, signal.SIGTERM: self._stop}
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = self._save
        for number, handler in handlers.items():
            try:
                self._previous[number] = signal.signal(number, handler)
            except ValueError:
                break
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @contextmanager
    def active(self) -> Iterator[None]:
        """A context in which training asks for `wishes` after each step."""
        self._is_heeded = True
        try:
            yield
        finally:
            self._is_heeded = False

    def pending(self) -> PendingActions:
        """What is wanted now; a wish to save is told once."""
        is_save_wanted, self._is_save_wanted = self._is_save_wanted, False
        is_time_up = self._ends_s is not None and time.monotonic() >= self._ends_s
        return PendingActions(
            int(self.signal_number is not None), int(is_time_up), int(is_save_wanted)
        )

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self._is_heeded:
            self._act_as_before(number, frame)
            return
        now_s = time.monotonic()
        if self.signal_number is not None:
            if _is_one_of_several() and now_s - self._stopped_s < _ECHO_S:
                return
            raise Interrupted(number, "stopped at once; the checkpoint before is kept")
        self.signal_number, self._stopped_s = number, now_s

    def _act_as_before(self, number: int, frame: FrameType | None) -> None:
        handler = self._previous[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            os.kill(os.getpid(), number)

    def _save(self, number: int, frame: FrameType | None) -> None:
        self._is_save_wanted = True


def _is_one_of_several() -> bool:
    return DistEnv.from_environment().world_size > 1


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop by a signal, and says what it kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number

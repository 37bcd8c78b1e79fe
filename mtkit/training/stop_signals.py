"""Signals and time limits that make training save or stop."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, Self

from mtkit.workers.dist_env import DistEnv

_ECHO_S = 1.0
"""A second signal within this time counts as the same one.

A scheduler may signal all processes while the launcher forwards its own signal to them.
"""


class PendingActions(NamedTuple):
    """Actions requested for the end of the current step, each 1 or 0.

    They are summed over all processes, so that all processes take the same decision.
    """

    stop: int
    """SIGINT or SIGTERM received: save a checkpoint and exit with the status of the signal."""
    end: int
    """Time limit reached: save a checkpoint and exit with status 0."""
    save: int
    """SIGUSR1 received: save a checkpoint and continue."""


class StopSignals:
    """Collects SIGINT, SIGTERM, SIGUSR1 and a time limit for training to act on after a step.

    A second SIGINT or SIGTERM acts immediately. Before training is `active`, both have their
    previous effect, and SIGUSR1 is remembered. A context manager; outside the main thread, where
    Python receives no signals, only the time limit works.

    Args:
        max_time_s: Time limit in seconds from now; None for no limit.
    """

    def __init__(self, max_time_s: float | None = None) -> None:
        self.signal_number: int | None = None
        self._ends_s = None if max_time_s is None else time.monotonic() + max_time_s
        self._stopped_s = 0.0
        self._save_requested = False
        self._is_active = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        handlers = {signal.SIGINT: self._request_stop, signal.SIGTERM: self._request_stop}
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = self._request_save
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
        """Collect signals within this context, in which `pending` is called after each step."""
        self._is_active = True
        try:
            yield
        finally:
            self._is_active = False

    def pending(self) -> PendingActions:
        """Return the requested actions and clear the request to save."""
        save_requested, self._save_requested = self._save_requested, False
        is_time_up = self._ends_s is not None and time.monotonic() >= self._ends_s
        return PendingActions(
            stop=int(self.signal_number is not None), end=int(is_time_up), save=int(save_requested)
        )

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        if not self._is_active:
            self._call_previous(number, frame)
            return
        now_s = time.monotonic()
        if self.signal_number is not None:
            if DistEnv.from_environment().world_size > 1 and now_s - self._stopped_s < _ECHO_S:
                return
            raise Interrupted(number, "stopped immediately; the previous checkpoint is kept")
        self.signal_number, self._stopped_s = number, now_s

    def _call_previous(self, number: int, frame: FrameType | None) -> None:
        handler = self._previous[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            os.kill(os.getpid(), number)

    def _request_save(self, number: int, frame: FrameType | None) -> None:
        self._save_requested = True


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal; the message names the checkpoint that is kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number

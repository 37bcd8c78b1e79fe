"""A number on the device, read some steps late so that Python does not wait for it."""

import sys
from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor


class _Copy(NamedTuple):
    is_ready: torch.cuda.Event | None
    """None if it is ready at once."""
    number: Tensor


class LaggedCount:
    """Reader of a number that changes in every step.

    Args:
        device: On a CPU, numbers are read without delay.
        lag: Number of steps by which the device may be ahead of what Python knows.
    """

    def __init__(self, device: torch.device, lag: int) -> None:
        self._lag = lag if device.type == "cuda" else 0
        self._pending: deque[_Copy] = deque()
        self._unused: list[_Copy] = []
        if device.type == "cuda":
            self._unused = [
                _Copy(torch.cuda.Event(), torch.zeros(1, dtype=torch.int32).pin_memory())
                for _ in range(lag + 1)
            ]

    def start(self, number: Tensor) -> None:
        """Start to copy the number as it is after this step."""
        if not number.is_cuda:
            self._pending.append(_Copy(None, number.clone()))
            return
        copy = self._unused.pop()
        copy.number.copy_(number, non_blocking=True)
        assert copy.is_ready is not None
        copy.is_ready.record()
        self._pending.append(copy)

    @property
    def is_ready(self) -> torch.cuda.Event | None:
        """The event for which `read` would wait; None if it would not wait."""
        return self._pending[0].is_ready if len(self._pending) > self._lag else None

    def read(self) -> int:
        """Return the number as it was `lag` steps before the last one that was started.

        Returns:
            `sys.maxsize` while there were fewer steps.
        """
        if len(self._pending) <= self._lag:
            return sys.maxsize
        oldest = self._pending.popleft()
        if oldest.is_ready is not None:
            oldest.is_ready.synchronize()
            self._unused.append(oldest)
        return int(oldest.number)

    def clear(self) -> None:
        """Drop the numbers of steps that no longer matter."""
        for copy in self._pending:
            if copy.is_ready is not None:
                copy.is_ready.synchronize()
                self._unused.append(copy)
        self._pending.clear()

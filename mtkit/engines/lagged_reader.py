"""Small tensors on a device, read some steps late so that Python does not wait for them."""

from collections import deque
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

Note = TypeVar("Note")


class _Copy(NamedTuple):
    values: Tensor
    """On the CPU."""
    is_ready: torch.cuda.Event | None
    """Occurs when the values are there; None if they are there at once."""


class LaggedReader(Generic[Note]):
    """Reader of a tensor that changes in every step.

    Which step is read depends on the number of reads alone, never on the speed of the device.

    Args:
        lag: Number of copies by which a read is behind the newest one.
    """

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._pending: deque[tuple[_Copy, Note]] = deque()
        self._unused: list[_Copy] = []

    def start(self, values: Tensor, note: Note) -> None:
        """Start to copy a tensor as it is after this step, with a note that is read with it."""
        if not values.is_cuda:
            self._pending.append((_Copy(values.clone(), None), note))
            return
        copy = self._buffer_like(values)
        copy.values.copy_(values, non_blocking=True)
        assert copy.is_ready is not None
        copy.is_ready.record()
        self._pending.append((copy, note))

    @property
    def is_ready(self) -> torch.cuda.Event | None:
        """The event for which `read` would wait; None if it would not wait."""
        return self._pending[0][0].is_ready if len(self._pending) > self._lag else None

    def read(self) -> tuple[Tensor, Note] | None:
        """Return the tensor as it was `lag` copies before the newest one, and its note.

        Returns:
            None while there are fewer copies.
        """
        return self._take_oldest() if len(self._pending) > self._lag else None

    def read_all(self) -> list[tuple[Tensor, Note]]:
        """Return what has not been read, including the newest copy, for which this waits."""
        return [self._take_oldest() for _ in range(len(self._pending))]

    def clear(self) -> None:
        """Drop the copies of steps that no longer matter."""
        self.read_all()

    def _take_oldest(self) -> tuple[Tensor, Note]:
        copy, note = self._pending.popleft()
        if copy.is_ready is None:
            return copy.values, note
        copy.is_ready.synchronize()
        self._unused.append(copy)
        # The buffer is written to again, perhaps before the values are used.
        return copy.values.clone(), note

    def _buffer_like(self, values: Tensor) -> _Copy:
        while self._unused:
            copy = self._unused.pop()
            if (copy.values.shape, copy.values.dtype) == (values.shape, values.dtype):
                return copy
        pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        return _Copy(pinned, torch.cuda.Event())

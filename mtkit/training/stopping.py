"""When to stop, and who asked for it."""

import signal
from types import FrameType
from typing import Self


class StopRequest:
    """Turns SIGINT and SIGTERM into a wish that training heeds after the step in progress; a second signal acts at once.

    A context manager; outside the main thread, where Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:
                break
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            raise Interrupted(number, "stopped at once; the checkpoint before is kept")
        self.signal_number = number


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop by a signal, and says what it kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number

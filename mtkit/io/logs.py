"""One log format, on stderr; of several processes, rank 0 speaks."""

import logging
import os
import sys
from functools import cache


class _CurrentStderr(logging.StreamHandler):
    """Writes to whatever sys.stderr is at that moment, so that a progress bar can take lines in above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Format(logging.Formatter):
    """`12:34:56 message`; a warning or an error says so."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        if record.levelno < logging.WARNING:
            return text
        return text.replace(
            f"{record.asctime} ", f"{record.asctime} {record.levelname.lower()}: ", 1
        )


def setup_logs(verbose: bool = False) -> None:
    """Send mtkit's log to stderr; without this call, a library's user sees warnings only.

    Args:
        verbose: Tell details too.
    """
    logger = logging.getLogger("mtkit")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _CurrentStderr)]:
        logger.removeHandler(handler)
    handler = _CurrentStderr()
    handler.setFormatter(_Format())
    logger.addHandler(handler)
    if os.environ.get("RANK", "0") != "0":
        logger.setLevel(logging.ERROR)
    else:
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; pass `__name__`."""
    return logging.getLogger(
        name if name == "mtkit" or name.startswith("mtkit.") else f"mtkit.{name}"
    )


@cache
def log_once(logger: logging.Logger, text: str, level: int = logging.INFO) -> None:
    """Log a text, unless this process has logged it before: a corpus is read several times."""
    logger.log(level, "%s", text)

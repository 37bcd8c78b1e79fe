"""Log lines on stderr, in one format; numbers in messages."""

import logging
import sys
from functools import cache


class _CurrentStderr(logging.StreamHandler):
    """Writes to the current sys.stderr, which a progress bar replaces to keep lines above it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Format(logging.Formatter):
    """`12:34:56 message`; warnings and errors with their level before the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        if record.levelno < logging.WARNING:
            return text
        return text.replace(
            f"{record.asctime} ", f"{record.asctime} {record.levelname.lower()}: ", 1
        )


def setup_logs(verbose: bool = False, *, is_main: bool = True) -> None:
    """Send mtkit's log to stderr; without this call, users of the library see warnings only.

    Args:
        verbose: Whether to log details.
        is_main: Whether this is the main process; the others of a distributed run log errors only.
    """
    logger = logging.getLogger("mtkit")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _CurrentStderr)]:
        logger.removeHandler(handler)
    handler = _CurrentStderr()
    handler.setFormatter(_Format())
    logger.addHandler(handler)
    if is_main:
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    else:
        logger.setLevel(logging.ERROR)


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module.

    Args:
        name: `__name__` of the module.
    """
    return logging.getLogger(
        name if name == "mtkit" or name.startswith("mtkit.") else f"mtkit.{name}"
    )


@cache
def log_once(logger: logging.Logger, text: str, level: int = logging.INFO) -> None:
    """Log a text, unless this process has logged it before: a corpus is read several times."""
    logger.log(level, "%s", text)


def counted(n: int, what: str) -> str:
    """Return a count with its noun, such as `2 lines of x` or `1 line of x`.

    Args:
        n: The number.
        what: The name, whose first word is a plural with an s.
    """
    name, *rest = what.split(" ", 1)
    return " ".join([f"{n:,}", name.removesuffix("s") if n == 1 else name, *rest])

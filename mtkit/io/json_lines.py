"""Lines that are JSON objects: their errors, and their numbers."""

import json
import math
from typing import TypeGuard

from mtkit.errors import MtkitError


def broken_json(where: str, exc: ValueError | RecursionError) -> MtkitError:
    """Make the error for a line that Python's JSON parser has refused.

    Args:
        where: File and line, for the message.
        exc: Exception of the parser.
    """
    reason = f"{exc.msg} at character {exc.colno}" if isinstance(exc, json.JSONDecodeError) else exc
    return MtkitError(f"{where}: broken JSON: {reason}", "each line is one JSON object")


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number that fits into a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False

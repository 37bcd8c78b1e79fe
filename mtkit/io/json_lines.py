"""Errors of lines that are JSON objects."""

import json

from mtkit.errors import MtkitError


def broken_json(where: str, exc: ValueError | RecursionError) -> MtkitError:
    """Make the error for a line that Python's JSON parser has refused.

    Args:
        where: File and line, for the message.
        exc: Exception of the parser.
    """
    reason = f"{exc.msg} at character {exc.colno}" if isinstance(exc, json.JSONDecodeError) else exc
    return MtkitError(f"{where}: broken JSON: {reason}", "each line is one JSON object")

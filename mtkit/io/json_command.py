"""Programs that read JSON objects from stdin and write an object for each to stdout.

One object per line; the output has the same `id` on each line, in the same order.
"""

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtkit.errors import MtkitError


class Answer(NamedTuple):
    """Object that a program wrote for one that it was given."""

    fields: dict[str, Any]
    where: str
    """Program and line, for errors."""


def run_json_command(kind: str, command: str, objects: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Run a program once on all objects; its stderr is passed on.

    Args:
        kind: Kind of program, for errors, such as scorer.
        command: Program and arguments, quoted as in a shell; it is not run by one.
        objects: JSON objects, each with an `id`.
    Returns:
        An answer for each object.
    Raises:
        MtkitError: The program cannot be run or fails, or writes another number of lines or another
            order.
    """
    name = f"{kind} `{command}`"
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    try:
        done = subprocess.run(
            shlex.split(command) or [""], input=text.encode(), stdout=subprocess.PIPE, check=False
        )
    except (OSError, ValueError) as exc:
        raise MtkitError(
            f"{name}: cannot be run: {getattr(exc, 'strerror', None) or exc}",
            "check the command; for a pipe or several commands, use bash -c '...'",
        ) from None
    if done.returncode:
        raise MtkitError(f"{name}: exit status {done.returncode}", "its own messages are above")
    lines = done.stdout.decode(errors="replace").removesuffix("\n").split("\n")
    if len(lines) != len(objects):
        raise MtkitError(
            f"{name}: {len(objects)} lines in, but {len(lines)} lines out",
            "it must write one JSON object per line, and everything else to stderr",
        )
    return [
        _answer(line, one["id"], f"{name}, line {number} of its output")
        for number, (line, one) in enumerate(zip(lines, objects, strict=True), 1)
    ]


def _answer(line: str, expected_id: str, where: str) -> Answer:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise MtkitError(
            f"{where}: not a JSON object: {line[:60]!r}", "each line is one JSON object"
        )
    if str(fields.get("id")) != expected_id:
        raise MtkitError(
            f"{where}: id {fields.get('id')!r}, but {expected_id!r} is next",
            "the lines must keep their ids and their order",
        )
    return Answer(fields, where)

"""Programs that read JSON objects from stdin and write an object for each to stdout.

One object per line; the output has the same `id` on each line, in the same order.
"""

import contextlib
import json
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.logs import counted


class Answer(NamedTuple):
    """Object that a program wrote for one that it was given."""

    fields: dict[str, Any]
    where: str
    """Program and line, for errors."""


def run_json_command(
    kind: str,
    command: str,
    objects: Sequence[Mapping[str, Any]],
    on_lines: Callable[[int], None] | None = None,
) -> list[Answer]:
    """Run a program once on all objects; its stderr is passed on.

    Args:
        kind: Kind of program, for errors, such as scorer.
        command: Program and arguments, quoted as in a shell; it is not run by one.
        objects: JSON objects, each with an `id`.
        on_lines: Called with 1 for each line that the program writes.
    Returns:
        An answer for each object.
    Raises:
        MtkitError: The program cannot be run or fails, or writes another number of lines or another
            order.
    """
    name = f"{kind} `{command}`"
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    try:
        status, output = _run(shlex.split(command) or [""], text.encode(), on_lines)
    except (OSError, ValueError) as exc:
        raise MtkitError(
            f"{name}: cannot be run: {getattr(exc, 'strerror', None) or exc}",
            "check the command; for a pipe or several commands, use bash -c '...'",
        ) from None
    if status:
        raise MtkitError(f"{name}: exit status {status}", "its own messages are above")
    lines = output.decode(errors="replace").removesuffix("\n").split("\n")
    if len(lines) != len(objects):
        raise MtkitError(
            f"{name}: {counted(len(objects), 'lines in')}, but {counted(len(lines), 'lines out')}",
            "it must write one JSON object per line, and everything else to stderr",
        )
    return [
        _answer(line, one["id"], f"{name}, line {number} of its output")
        for number, (line, one) in enumerate(zip(lines, objects, strict=True), 1)
    ]


def _run(args: list[str], data: bytes, on_lines: Callable[[int], None] | None) -> tuple[int, bytes]:
    """Run a program, and return its exit status and its output."""
    output: list[bytes] = []
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        # Otherwise both programs could wait for the other one to read.
        writer = threading.Thread(target=_write, args=(process.stdin, data), daemon=True)
        writer.start()
        try:
            for line in process.stdout:
                output.append(line)
                if on_lines is not None:
                    on_lines(1)
        except BaseException:
            process.kill()
            raise
        writer.join()
    return process.returncode, b"".join(output)


def _write(stream: IO[bytes], data: bytes) -> None:
    # A program that ends early is recognized by its output.
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(data)


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

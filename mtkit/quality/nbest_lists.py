"""N-best lists as `mtkit translate --n-best` writes them."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.json_lines import broken_json, is_number
from mtkit.io.logs import counted
from mtkit.io.text import read_lines

_HINT = "write it with `mtkit translate --n-best N`, as text or with --format jsonl"


class Candidate(NamedTuple):
    """One of the n best translations of a line."""

    text: str
    score: float
    """Its score in the list."""


class NbestList(NamedTuple):
    """A line and its n best translations."""

    source: str
    candidates: list[Candidate]
    """At least one, in the order of the file."""


def read_nbest_lists(path: Path, sources: Sequence[str]) -> list[NbestList]:
    """Read the n-best lists of a text: `number TAB score TAB text`, or a JSON object for each line.

    Args:
        path: The file.
        sources: The lines that were translated.
    Raises:
        MtkitError: The file has another format, or its lists are not those of these lines.
    """
    lists: list[list[Candidate]] = []
    for number, candidate, where in _read(path):
        _refuse_unwritable(candidate.text, where)
        if number == len(lists) + 1:
            lists.append([])
        elif number != len(lists):
            expected = f"{len(lists):,} or {len(lists) + 1:,}" if lists else "1"
            raise MtkitError(
                f"{where}: is for line {number:,} of the source text, but line {expected} is next",
                "the translations of a line must follow each other, in the order of the lines",
            )
        lists[-1].append(candidate)
    if len(lists) != len(sources):
        raise MtkitError(
            f"`{path}`: has translations of {counted(len(lists), 'lines')}, but the source text "
            f"has {len(sources):,}",
            "give the source text that was translated, and the complete list",
        )
    return [NbestList(*pair) for pair in zip(sources, lists, strict=True)]


def _read(path: Path) -> Iterator[tuple[int, Candidate, str]]:
    """Yield the number of the source line, a candidate, and its position for errors."""
    for number, line in enumerate(read_lines(path, what="the n-best lists"), 1):
        where = f"`{path}`: line {number:,}"
        if line.startswith("{"):
            for candidate in _parse_object(line, where):
                yield number, candidate, where
            continue
        cells = line.split("\t", 2)
        try:
            of_line, candidate = int(cells[0]), Candidate(cells[2], float(cells[1]))
        except (ValueError, IndexError):
            candidate = None
        if candidate is None or not math.isfinite(candidate.score):
            raise MtkitError(f"{where}: not of the form number TAB score TAB text", _HINT)
        yield of_line, candidate, where


def _refuse_unwritable(text: str, where: str) -> None:
    """Refuse a text that would not be one line of a file, before anything is computed."""
    if "\n" in text or text.endswith("\r"):
        raise MtkitError(f"{where}: a translation contains a line break", _HINT)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MtkitError(
            f"{where}: a translation contains half of a surrogate pair", _HINT
        ) from None


def _parse_object(line: str, where: str) -> list[Candidate]:
    try:
        tree: Any = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise broken_json(where, exc) from None
    found = tree.get("n_best")
    if not isinstance(found, list) or not found or not all(map(_is_candidate, found)):
        raise MtkitError(f"{where}: has no list n_best of objects with text and score", _HINT)
    return [Candidate(one["text"], float(one["score"])) for one in found]


def _is_candidate(tree: Any) -> bool:
    return (
        isinstance(tree, dict)
        and isinstance(tree.get("text"), str)
        and is_number(tree.get("score"))
    )

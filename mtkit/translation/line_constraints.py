"""What users wish of the translations of single lines, as text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.arguments import list_of_texts, require_list


class LineConstraints(NamedTuple):
    """Of one line's translation."""

    prefix: str = ""
    """What it begins with; blank for anything."""
    must: tuple[str, ...] = ()
    """Words and phrases that appear in it."""
    must_not: tuple[str, ...] = ()
    """Words and phrases that do not."""


UNCONSTRAINED = LineConstraints()


def parse_constraints(line: str, number: int, name: str = "constraints") -> LineConstraints:
    """Read one line of a file of constraints: a JSON object with `must` and `must_not`, lists of words; a blank line is none.

    Args:
        line: Such as {"must": ["Haus"], "must_not": ["Gebäude"]}.
        number: Of the line, from 1; for errors.
        name: What errors call the file.
    Raises:
        MtkitError: It is not like that.
    """
    if not line.strip():
        return UNCONSTRAINED
    try:
        return constraints_from_json(json.loads(line, object_pairs_hook=_object))
    except (ValueError, RecursionError) as exc:
        reason = (
            "is not valid JSON"
            if isinstance(exc, json.JSONDecodeError | RecursionError)
            else str(exc)
        )
        raise MtkitError(
            f"`{name}`, line {number}: {reason}",
            'write it like {"must": ["Haus"], "must_not": ["Gebäude"]}, or leave it blank',
        ) from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in members]
    if repeated := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"has the key {repeated!r} twice; put all words into one list")
    return dict(members)


def constraints_from_json(value: Any) -> LineConstraints:
    """A wish from what JSON gives: an object, or null for none.

    Raises:
        ValueError: It is something else, in plain words.
    """
    if value is None:
        return UNCONSTRAINED
    if not isinstance(value, dict):
        raise ValueError("is no object of must and must_not")
    for key, words in value.items():
        if key not in ("must", "must_not"):
            raise ValueError(f"has a key {key!r}, which is neither must nor must_not")
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{key} is no list of texts")
    return LineConstraints("", tuple(value.get("must", ())), tuple(value.get("must_not", ())))


def add_wishes(
    chunks: Iterable[Sequence[str]],
    prefixes: Iterable[str | None] | None,
    constraints: Iterable[LineConstraints | dict[str, Any] | None] | None,
    avoid: Iterable[str] | None,
) -> Iterator[tuple[Sequence[str], list[LineConstraints] | None]]:
    """Put the wishes of lines beside the lines.

    Args:
        chunks: Lines, some at a time.
        prefixes: One for each line; None where there are none, and for a line without one.
        constraints: Likewise.
        avoid: What must not appear in any.
    Yields:
        A chunk and as many wishes; None where there are none at all.
    Raises:
        MtkitError: There are not as many as lines, or constraints are not as `constraints_from_json` takes them.
        TypeError: One of them is not a list.
    """
    streams = {"prefixes": prefixes, "constraints": constraints}
    for name, stream in streams.items():
        if stream is not None:
            require_list(stream, name, of=name)
    given = {name: iter(stream) for name, stream in streams.items() if stream is not None}
    return _with_wishes(
        chunks, given, () if avoid is None else tuple(list_of_texts(avoid, "avoid"))
    )


def _with_wishes(
    chunks: Iterable[Sequence[str]], given: dict[str, Iterator[Any]], avoid: tuple[str, ...]
) -> Iterator[tuple[Sequence[str], list[LineConstraints] | None]]:
    n_before = 0
    for chunk in chunks:
        columns = {name: list(islice(stream, len(chunk))) for name, stream in given.items()}
        for name, column in columns.items():
            if len(column) < len(chunk):
                raise MtkitError(
                    f"{n_before + len(column)} {name}, but more lines to translate",
                    f"give as many {name} as lines; a blank one is none",
                )
        if not given and not avoid:
            yield chunk, None
        else:
            wishes = [
                _read(one, n_before + i)
                for i, one in enumerate(columns.get("constraints", [UNCONSTRAINED] * len(chunk)), 1)
            ]
            begun = [
                _prefix(one, n_before + i)
                for i, one in enumerate(columns.get("prefixes", [""] * len(chunk)), 1)
            ]
            yield (
                chunk,
                [
                    LineConstraints(prefix or wish.prefix, wish.must, (*wish.must_not, *avoid))
                    for prefix, wish in zip(begun, wishes, strict=True)
                ],
            )
        n_before += len(chunk)
    for name, stream in given.items():
        if next(stream, None) is not None:
            raise MtkitError(
                f"more {name} than the {n_before} lines to translate",
                f"give as many {name} as lines",
            )


def _read(value: LineConstraints | dict[str, Any] | None, number: int) -> LineConstraints:
    try:
        if isinstance(value, LineConstraints):
            found = constraints_from_json({"must": value.must, "must_not": value.must_not})
            return found._replace(prefix=_prefix(value.prefix, number))
        return constraints_from_json(value)
    except ValueError as exc:
        raise MtkitError(
            f"constraints of line {number}: {exc}",
            'write them like {"must": ["Haus"], "must_not": ["Gebäude"]}',
        ) from None


def _prefix(value: object, number: int) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"prefixes: item {number} is of type {type(value).__name__}, not a text")
    return value or ""

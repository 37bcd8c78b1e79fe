"""Constraints on the translations of single lines, as text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.arguments import list_of_texts, require_list


class LineConstraints(NamedTuple):
    """Constraints on the translation of a line."""

    prefix: str = ""
    """Beginning of the translation; blank for none."""
    must: tuple[str, ...] = ()
    """Words and phrases that must appear in the translation."""
    must_not: tuple[str, ...] = ()
    """Words and phrases that must not appear in the translation."""
    must_src: tuple[str, ...] = ()
    """Source words that the words of `must` translate, one for each, blank if unknown; none if all
    are unknown."""


UNCONSTRAINED = LineConstraints()
_EXAMPLE = 'write them like {"must": ["Haus"], "must_not": ["Gebäude"]}'


def parse_constraints(line: str, number: int, name: str = "constraints") -> LineConstraints:
    """Parse a line of a file of constraints.

    Args:
        line: A JSON object such as {"must": ["Haus"], "must_not": ["Gebäude"]}; blank for none.
        number: Line number from 1, for errors.
        name: Name of the file, for errors.
    Raises:
        MtkitError: The line is not such an object.
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
            f"{_EXAMPLE}, or leave the line blank",
        ) from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in members]
    if repeated := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"has the key {repeated!r} twice; put all words into one list")
    return dict(members)


def constraints_from_json(value: Any) -> LineConstraints:
    """Convert a JSON value to constraints: an object, or null for none.

    Raises:
        ValueError: The value is something else; the message says what is wrong.
    """
    if value is None:
        return UNCONSTRAINED
    if not isinstance(value, dict):
        raise ValueError("is not an object with must and must_not")
    for key, words in value.items():
        if key not in ("must", "must_not"):
            raise ValueError(f"has a key {key!r}, which is neither must nor must_not")
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{key} is not a list of texts")
    return LineConstraints("", tuple(value.get("must", ())), tuple(value.get("must_not", ())))


def with_constraints(
    chunks: Iterable[Sequence[str]],
    prefixes: Iterable[str | None] | None,
    constraints: Iterable[LineConstraints | dict[str, Any] | None] | None,
    avoid: Iterable[str] | None,
) -> Iterator[tuple[Sequence[str], list[LineConstraints] | None]]:
    """Pair chunks of lines with the constraints on their translations.

    Args:
        chunks: Lines, in chunks.
        prefixes: One for each line, None or blank for none; None if no line has one.
        constraints: One for each line; see `constraints_from_json`.
        avoid: Words that must not appear in any translation.
    Yields:
        A chunk, and the constraints on each of its lines; None if there are no constraints at all.
    Raises:
        MtkitError: The numbers of lines and constraints differ, or constraints do not have the form
            that `constraints_from_json` accepts.
        TypeError: An argument is not a list.
    """
    streams = {"prefixes": prefixes, "constraints": constraints}
    for name, stream in streams.items():
        if stream is not None:
            require_list(stream, name, of=name)
    given = {name: iter(stream) for name, stream in streams.items() if stream is not None}
    avoided = () if avoid is None else tuple(list_of_texts(avoid, "avoid"))
    return _with_constraints(chunks, given, avoided)


def _with_constraints(
    chunks: Iterable[Sequence[str]], given: dict[str, Iterator[Any]], avoid: tuple[str, ...]
) -> Iterator[tuple[Sequence[str], list[LineConstraints] | None]]:
    n_before = 0
    for chunk in chunks:
        columns = {name: list(islice(stream, len(chunk))) for name, stream in given.items()}
        for name, column in columns.items():
            if len(column) < len(chunk):
                raise MtkitError(
                    f"{n_before + len(column)} {name}, but more lines to translate",
                    f"give as many {name} as lines, blank for none",
                )
        if not given and not avoid:
            yield chunk, None
        else:
            prefixes = columns.get("prefixes", [""] * len(chunk))
            constraints = columns.get("constraints", [UNCONSTRAINED] * len(chunk))
            yield (
                chunk,
                [
                    _combined(prefix, value, avoid, n_before + i)
                    for i, (prefix, value) in enumerate(zip(prefixes, constraints, strict=True), 1)
                ],
            )
        n_before += len(chunk)
    for name, stream in given.items():
        if next(stream, None) is not None:
            raise MtkitError(
                f"more {name} than the {n_before} lines to translate",
                f"give as many {name} as lines",
            )


def _combined(prefix: object, value: Any, avoid: tuple[str, ...], number: int) -> LineConstraints:
    """Combine the constraints on line `number`."""
    try:
        if isinstance(value, LineConstraints):
            found = constraints_from_json({"must": value.must, "must_not": value.must_not})
            found = found._replace(prefix=_checked_prefix(value.prefix, number))
        else:
            found = constraints_from_json(value)
    except ValueError as exc:
        raise MtkitError(f"constraints of line {number}: {exc}", _EXAMPLE) from None
    return LineConstraints(
        _checked_prefix(prefix, number) or found.prefix, found.must, (*found.must_not, *avoid)
    )


def _checked_prefix(value: object, number: int) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"prefixes: item {number} is of type {type(value).__name__}, not a text")
    return value or ""

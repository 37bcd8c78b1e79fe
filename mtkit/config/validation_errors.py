"""Conversion of pydantic's validation errors to messages for the authors of recipes."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from mtkit.config.section import Section


class Problem(NamedTuple):
    """A problem of a recipe."""

    text: str
    """Key, value and description of the problem."""
    hint: str = ""
    """Advice on fixing it."""


# Chosen so that `max_token` in any section finds `max_tokens`, and `max_stepp` in `training:`
# finds `max_steps` of the same section.
_MIN_LIKENESS = 0.75
_SAME_SECTION_BONUS = 0.15

_PLAIN_WORDS = {
    "missing": "is missing",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a finite number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "string_type": "is not text; put it in quotes",
    "path_type": "is not a path",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "model_type": "is not a section of keys and values",
    "model_attributes_type": "is not a section of keys and values",
    "dict_type": "is not a section of keys and values",
    "invalid_key": "is not a valid key; keys are words",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_too_short": "needs at least {min_length} character(s)",
    "too_short": "needs at least {min_length} item(s)",
    "too_long": "has more than {max_length} items",
}


def describe_problems(
    exc: ValidationError, cls: type[Section], data: Any, overridden: set[str]
) -> list[Problem]:
    """Return all problems, each with its dotted key and value.

    Args:
        exc: Error raised by the validation.
        cls: Class of the validated section.
        data: Validated values.
        overridden: Dotted keys set by `--set`.
    """
    problems: dict[str, Problem] = {}
    for number, found in enumerate(exc.errors(include_url=False)):
        error = {**found, "loc": _without_union_tag(found["loc"], data)}
        problem, key = _describe(error, cls, data), _dotted(error["loc"], data)
        if len(error["loc"]) < len(found["loc"]) and key in problems:
            # Another type that this key accepts.
            problems[key] = problems[key]._replace(
                text=f"{problems[key].text} or {_without_key(problem.text)}"
            )
            continue
        is_from_flag = any(
            f"{key}.".startswith(f"{flag}.") or flag.startswith(f"{key}.") for flag in overridden
        )
        problem = problem._replace(text=f"--set {problem.text}") if is_from_flag else problem
        problems[key if len(error["loc"]) < len(found["loc"]) else str(number)] = problem
    return list(problems.values())


def _without_key(text: str) -> str:
    """Return `auto` of `key (3) must be auto`, or whatever follows the value."""
    return text.rpartition(" must be ")[2] if " must be " in text else text.partition(") ")[2]


def _without_union_tag(loc: tuple[int | str, ...], data: Any) -> tuple[int | str, ...]:
    """Remove the member of a union from a location.

    Pydantic appends the member that it tried to the key of a value that is not a section.
    """
    node = data
    for part in loc[:-1]:
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(part, int):
            node = node[part] if isinstance(node, list) and part < len(node) else node
        else:
            return loc
    is_key = isinstance(node, dict) or len(loc) < 2 or isinstance(loc[-1], int)
    return loc if is_key else loc[:-1]


def _describe(error: dict[str, Any], cls: type[Section], data: Any) -> Problem:
    loc: tuple[int | str, ...] = error["loc"]
    key = _dotted(loc, data)
    if error["type"] == "extra_forbidden":
        section = section_at(cls, loc[:-1])
        siblings = list(section.model_fields) if section is not None else []
        nearest = nearest_key(key, cls, siblings)
        return Problem(
            f"{key}: no such key",
            f"did you mean {nearest}?" if nearest else f"known keys: {', '.join(siblings)}",
        )
    context = error.get("ctx") or {}
    if error["type"] == "value_error":
        return _from_validator(str(context["error"]), key, section_at(cls, loc))
    words = _PLAIN_WORDS.get(error["type"])
    text = (
        words.format(**{name: _plain(value) for name, value in context.items()})
        if words
        else _lower_first(error["msg"])
    )
    value = "" if error["type"] in ("missing", "invalid_key") else _shown(error["input"])
    text, _, hint = text.partition("; ")
    if error["type"] == "missing":
        hint = _help_of(cls, loc)
    return Problem(f"{key}{value} {text}", hint)


def _from_validator(message: str, key: str, section: type[Section] | None) -> Problem:
    """Return a problem from a validator's message, with dotted keys instead of the bare ones."""
    text, _, hint = message.partition("; ")
    if not key:
        return Problem(text, hint)
    if section is None:
        return Problem(f"{key}: {text}", hint)
    # A name is a key only if its value follows, so that a word such as `type` is not changed.
    names = "|".join(sorted(map(re.escape, section.model_fields), key=len, reverse=True))
    dotted, n_found = re.subn(rf"(?<![\w.])({names})(?= [(\[/])", rf"{key}.\1", text)
    return Problem(dotted if n_found else f"{key}: {text}", hint)


def nearest_key(dotted: str, cls: type[Section], siblings: Iterable[str]) -> str | None:
    """Return the known key most similar to an unknown one; None if none is similar.

    Keys of the same section are preferred.

    Args:
        dotted: Unknown key, dotted.
        cls: Outermost section.
        siblings: Known keys of the section that contains the unknown key.
    """
    parent, dot, leaf = dotted.rpartition(".")
    candidates = {key: _likeness(leaf, key.rpartition(".")[2]) for key in known_keys(cls)}
    candidates |= {
        f"{parent}{dot}{name}": _likeness(leaf, name) + _SAME_SECTION_BONUS for name in siblings
    }
    nearest = max(candidates, key=lambda key: candidates[key])
    return nearest if candidates[nearest] >= _MIN_LIKENESS else None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def known_keys(cls: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield all dotted keys of a section and its subsections."""
    for name, field in cls.model_fields.items():
        yield f"{prefix}{name}"
        inner = inner_section(field.annotation)
        if inner is not None:
            yield from known_keys(inner, f"{prefix}{name}.")


def inner_section(annotation: Any) -> type[Section] | None:
    """Return the section in an annotation such as `Section | None` or `tuple[Section, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for argument in get_args(annotation):
        inner = inner_section(argument)
        if inner is not None:
            return inner
    return None


def section_at(cls: type[Section], loc: Sequence[int | str]) -> type[Section] | None:
    """Return the section class at a location in the data; None if there is none."""
    section: type[Section] | None = cls
    for part in loc:
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return None
        section = inner_section(section.model_fields[part].annotation)
    return section


def _dotted(loc: Sequence[int | str], data: Any) -> str:
    """Return a dotted key: `data.train.0.src`, or `data.train.src` for a section instead of a
    list."""
    parts: list[str] = []
    node = data
    for part in loc:
        if isinstance(part, int) and isinstance(node, dict) and part not in node:
            continue
        parts.append(str(part))
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = None
    return ".".join(parts)


def _help_of(cls: type[Section], loc: Sequence[int | str]) -> str:
    section = section_at(cls, loc[:-1])
    field = section.model_fields.get(str(loc[-1])) if section is not None else None
    return (
        _lower_first(" ".join((field.description or "").split())).rstrip(".")
        if field is not None
        else ""
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        text = repr(str(value))
    elif isinstance(value, bool | None):
        text = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, dict | list | tuple) and not value:
        text = "empty"
    else:
        text = str(value)
    return f" ({text[:60]}...)" if len(text) > 63 else f" ({text})"


def _plain(value: Any) -> Any:
    """Return `'a', 'b' or 'c'` without quotes, and 0.0 as 0."""
    if isinstance(value, str):
        return value.replace("'", "")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]

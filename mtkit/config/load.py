"""Parsing of sections from YAML 1.2 and `--set` overrides, with validation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from mtkit.config.section import CommandLineText, Section
from mtkit.config.validation_errors import Problem, describe_problems
from mtkit.errors import MtkitError
from mtkit.io.paths import is_recipe_name
from mtkit.io.text import read_lines

_START = "`mtkit init --from-data SRC TGT` writes a recipe to start from"
_MAX_BYTES = 1 << 20
"""Maximum size of a recipe."""
S = TypeVar("S", bound=Section)


def read_section(cls: type[S], path: Path, overrides: Sequence[str] = ()) -> S:
    """Read a section, such as a whole recipe, from a file and validate it.

    Args:
        cls: Class of the section.
        path: YAML 1.2 file; relative paths in it are relative to its directory.
        overrides: Settings such as `training.max_steps=100`, which replace the value at their
            dotted key before validation. Values are YAML; relative paths in them are relative to
            the current directory.
    Raises:
        MtkitError: The file cannot be read or is not valid YAML, or the settings are invalid; all
            problems are listed.
    """
    data = _load_file(path)
    _fill_empty_sections(cls, data)
    section, problems = _validated(cls, data, overrides, path.absolute().parent)
    if section is None:
        raise _as_error(problems, f"`{path}`: ", ", in the file or with --set")
    return section


def make_section(cls: type[S], overrides: Sequence[str]) -> S:
    """Return a section with its defaults, changed by overrides.

    Args:
        cls: Class of the section.
        overrides: Settings such as `max_chars=100`.
    Raises:
        MtkitError: The overrides are invalid; all problems are listed.
    """
    section, problems = _validated(cls, {}, overrides, Path.cwd())
    if section is None:
        raise _as_error(problems)
    return section


def _validated(
    cls: type[S], data: dict[Any, Any], overrides: Sequence[str], base_dir: Path
) -> tuple[S | None, list[Problem]]:
    """Return the validated section, or None and the problems."""
    problems: list[Problem] = []
    overridden: set[str] = set()
    for override in overrides:
        try:
            overridden.add(_apply(override, data))
        except MtkitError as exc:
            problems.append(Problem(exc.message, exc.hint))
    try:
        section = cls.model_validate(data, context={"base_dir": base_dir})
    except ValidationError as exc:
        return None, problems + describe_problems(exc, cls, data, overridden)
    return (None if problems else section), problems


def _as_error(problems: list[Problem], where: str = "", how: str = "") -> MtkitError:
    if len(problems) == 1:
        return MtkitError(f"{where}{problems[0].text}", problems[0].hint or f"correct it{how}")
    listed = "".join(
        f"\n  {problem.text}" + (f" ({problem.hint})" if problem.hint else "")
        for problem in problems
    )
    return MtkitError(f"{where}{len(problems)} problems:{listed}", f"correct them{how}")


def parse_yaml(text: str) -> Any:
    """Parse YAML 1.2: `1e-4` is a number, `no` is Norwegian, a duplicate key is an error.

    Raises:
        ruamel.yaml.error.YAMLError: The text is not valid YAML.
    """
    try:
        # Only the pure-Python parser supports YAML 1.2.
        return YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise YAMLError("brackets are nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError) as exc:
        # The parser does not convert Python's errors on invalid numbers, dates and keys.
        raise YAMLError(str(exc).partition("\n")[0]) from None


def _load_file(path: Path) -> dict[Any, Any]:
    if not path.exists():
        raise MtkitError(f"`{path}`: no such file", f"check the path; {_START}")
    if path.is_dir():
        kind = "model directory" if (path / "config.json").is_file() else "directory"
        meant = next(
            (file for parent in (path, path.parent) if (file := parent / "recipe.yaml").exists()),
            None,
        )
        raise MtkitError(
            f"`{path}`: is a {kind}, not a recipe", f"did you mean `{meant}`?" if meant else _START
        )
    if path.is_char_device():
        raise MtkitError(f"`{path}`: is a device, not a recipe", f"name a file; {_START}")
    # The YAML parser would take minutes for a corpus.
    if path.stat().st_size > _MAX_BYTES:
        raise _not_a_recipe(path)
    text = "\n".join(read_lines(path, what="the recipe"))
    try:
        data = parse_yaml(text)
    except YAMLError as exc:
        if path.suffix and not is_recipe_name(path):
            raise _not_a_recipe(path) from None
        where, what, hint = _describe_yaml_error(exc, text)
        raise MtkitError(f"`{path}`: {where}: {what}", hint) from None
    if data is None:
        raise MtkitError(f"`{path}`: is empty", _START)
    if not isinstance(data, dict) and path.suffix and not is_recipe_name(path):
        raise _not_a_recipe(path)
    if not isinstance(data, dict):
        raise MtkitError(
            f"`{path}`: is not a recipe: its top level has no sections",
            "write sections such as `data:`, with keys indented below them",
        )
    return data


def _not_a_recipe(path: Path) -> MtkitError:
    return MtkitError(f"`{path}`: is not a recipe", f"a recipe is a small YAML file; {_START}")


def _describe_yaml_error(exc: YAMLError, text: str) -> tuple[str, str, str]:
    """Return the position and description of an error, and a hint."""
    if isinstance(exc, ReaderError):
        before = text[: exc.position]
        line, column = before.count("\n") + 1, exc.position - before.rfind("\n")
        return (
            f"line {line}, column {column}",
            "character not allowed in YAML",
            "remove it, or write it in double quotes as \\uXXXX",
        )
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "somewhere"
    what = str(getattr(exc, "problem", None) or "is not valid YAML").split("\n")[0]
    if isinstance(exc, DuplicateKeyError):
        key = what.partition('"')[2].partition('"')[0]
        return where, f"the key {key} occurs twice", "keep one of them"
    if "'\\t'" in what:
        return where, "unexpected tab", "indent with spaces"
    if isinstance(exc, MarkedYAMLError) and "mapping values are not allowed" in what:
        return (
            where,
            "unexpected colon",
            "check the indentation, or put text that contains a colon in quotes",
        )
    return where, what, "check the brackets, quotes and indentation near this position"


def _fill_empty_sections(cls: type[Section], data: dict[Any, Any]) -> None:
    """Replace null, the value of a section whose keys are all commented out, by an empty
    section."""
    for name, field in cls.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        if is_section and name in data and data[name] is None:
            data[name] = {}


def _apply(override: str, data: dict[Any, Any]) -> str:
    """Apply one override to the data and return its dotted key.

    Raises:
        MtkitError: It is not of the form key=value, or does not fit the data.
    """
    dotted, equals, text = override.partition("=")
    dotted = dotted.strip()
    if not equals or not dotted:
        raise MtkitError(
            f"--set {override}: is not of the form key=value",
            "for example --set training.max_steps=100",
        )
    try:
        value = _mark_strings(parse_yaml(text))
    except YAMLError:
        raise MtkitError(
            f"--set {override}: the value is not valid YAML",
            "quote text for YAML, and again for the shell: --set 'a.b=\"text\"'",
        ) from None
    *parents, last = dotted.split(".")
    node: Any = data
    for number, key in enumerate(parents, 1):
        node = _child(_only_item(node, key), key)
        if not isinstance(node, dict | list):
            parent = ".".join(parents[:number])
            raise MtkitError(f"--set {override}: {parent} has no subkeys", f"set {parent} itself")
    node = _only_item(node, last)
    if isinstance(node, dict):
        node[last] = value
    elif last.isdecimal() and int(last) < len(node):
        node[int(last)] = value
    else:
        parent = ".".join(parents)
        raise MtkitError(
            f"--set {override}: {parent} is a list of {len(node)}",
            f"use {parent}.0 for its first item, or set the whole list",
        )
    return dotted


def _child(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        if node.get(key) is None:
            node[key] = {}
        return node[key]
    if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
        return node[int(key)]
    return None


def _only_item(node: Any, key: str) -> Any:
    """Return the item of a list of one section, so that `data.train.src` means
    `data.train.0.src`."""
    if isinstance(node, list) and len(node) == 1 and not key.isdecimal():
        return node[0]
    return node


def _mark_strings(value: Any) -> Any:
    if isinstance(value, str):
        return CommandLineText(value)
    if isinstance(value, Mapping):
        return {key: _mark_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mark_strings(item) for item in value]
    return value

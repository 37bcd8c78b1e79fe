"""Base class of recipe sections, and the types of their values."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from mtkit.io.paths import normalize_path

MAX_INT = 2**31 - 1
"""Largest integer that all libraries in use accept."""

MAX_PROCESSES = 1024
"""Maximum number of processes or threads in a recipe or an option."""

PositiveInt = Annotated[int, Gt(0), Le(MAX_INT)]
NonNegativeInt = Annotated[int, Ge(0), Le(MAX_INT)]
PositiveFloat = Annotated[float, Gt(0.0), Le(1e12)]
NonNegativeFloat = Annotated[float, Ge(0.0), Le(1e12)]
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]
Precision = Literal["auto", "float32", "bf16", "fp16"]
SearchPrecision = Literal["auto", "float32", "bf16", "fp16", "int8"]
"""Precisions for inference: those for training, and int8."""


class Section(BaseModel):
    """A section of a recipe: immutable, without unknown keys.

    The docstring below a field is its help text everywhere: in recipes, `--help` and messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for name, text in field_docstrings(cls).items():
            cls.model_fields[name].description = text


def field_docstrings(cls: type[Any]) -> dict[str, str]:
    """Return the docstrings below the fields of a class at the top level of a module.

    The module is parsed once for all its classes: pydantic's `use_attribute_docstrings` splits the
    source of each class into tokens, which took a tenth of the time to start.
    """
    return _docstrings_by_class(cls.__module__).get(cls.__qualname__, {})


@cache
def _docstrings_by_class(module_name: str) -> dict[str, dict[str, str]]:
    try:
        source = inspect.getsource(sys.modules[module_name])
    except OSError:  # the installation has no sources
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: _docstrings_in(node) for node in classes}


def _docstrings_in(definition: ast.ClassDef) -> dict[str, str]:
    docstrings = {}
    for pair in pairwise(definition.body):
        match pair:
            case (
                ast.AnnAssign(target=ast.Name(name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docstrings[name] = inspect.cleandoc(text)
    return docstrings


class CommandLineText(str):
    """Text from `--set`; a path in it is relative to the current directory."""


def resolve_path(value: Any, info: ValidationInfo) -> Any:
    """Return the path that a text in a recipe names; other values are returned unchanged."""
    if isinstance(value, CommandLineText):
        return normalize_path(Path.cwd() / Path(str(value)).expanduser())
    if isinstance(value, str | Path) and info.context and "base_dir" in info.context:
        return normalize_path(Path(info.context["base_dir"]) / Path(value).expanduser())
    return value


def _resolve_dir(value: Any, info: ValidationInfo) -> Any:
    resolved = resolve_path(value, info)
    return str(resolved) if isinstance(resolved, Path) and resolved.is_dir() else value


def _resolve_input(value: Any, info: ValidationInfo) -> Any:
    return Path("-") if str(value) == "-" else resolve_path(value, info)


InputPath = Annotated[Path, BeforeValidator(_resolve_input)]
"""A `RecipePath`, or `-` for stdin."""

NameOrDir = Annotated[str, BeforeValidator(_resolve_dir)]
"""Name of a dataset, or path of an existing directory, resolved like a `RecipePath`."""

RecipePath = Annotated[Path, BeforeValidator(resolve_path)]
"""Path relative to the recipe file or, in `--set`, to the current directory."""

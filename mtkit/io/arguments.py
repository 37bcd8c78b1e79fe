"""Checks of the arguments of public functions: a wrong argument raises one clear error."""

from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any


def require_type(value: object, kind: type, name: str, hint: str) -> None:
    """Check the type of an argument.

    Args:
        value: The argument.
        kind: The class of which it should be an instance.
        name: Name of the argument.
        hint: What to pass instead.
    Raises:
        TypeError: The argument has another type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {_describe(value)}, not a {kind.__name__}; {hint}")


def require_count(value: object, name: str, minimum: int = 1) -> None:
    """Check that an argument is a whole number of at least `minimum`.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} ({value!r}) is not a whole number")
    if value < minimum:
        raise ValueError(f"{name} ({value}) is below {minimum}")


def require_workers(n_workers: object) -> None:
    """Check a number of processes: None for the default, 0 for no extra processes, or more.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is below 0.
    """
    if n_workers is not None:
        require_count(n_workers, "n_workers", minimum=0)


def require_list(values: object, name: str, of: str = "texts") -> None:
    """Check that an argument is an ordered iterable: a list, a generator, an open file or similar.

    Args:
        values: The argument.
        name: Name of the argument.
        of: What it should contain.
    Raises:
        TypeError: It is a single text, has no order, or is not iterable.
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name}: expected a list of {of}, not one text")
    if isinstance(values, Mapping | Set) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of {of}, not {_describe(values)}")


def list_of_texts(texts: Iterable[str], name: str) -> list[str]:
    """Return texts as a list.

    Args:
        texts: A list of texts, or any other iterable.
        name: Name of the argument.
    Raises:
        TypeError: It is not a list, or one of its items is not a text.
    """
    return list(iterate_texts(texts, name))


def iterate_texts(texts: Iterable[str], name: str) -> Iterator[str]:
    """Return an iterator that checks each text when it is reached.

    Args:
        texts: A list of texts, or any other iterable.
        name: Name of the argument.
    Raises:
        TypeError: It is not a list; or, while iterating, one of its items is not a text.
    """
    require_list(texts, name)
    return _checked(texts, name)


def list_of_paths(paths: Path | str | Iterable[Path | str], name: str) -> list[Path]:
    """Return one path or several as a list.

    Args:
        paths: A path, or an iterable of paths.
        name: Name of the argument.
    Raises:
        TypeError: It is neither, or one of its items is not a path.
        ValueError: There is no path.
    """
    if isinstance(paths, Path | str):
        return [Path(paths)]
    require_list(paths, name, of="directories")
    paths = list(paths)
    if not paths:
        raise ValueError(f"{name}: no model to translate with")
    if wrong := [path for path in paths if not isinstance(path, Path | str)]:
        raise TypeError(f"{name}: {wrong[0]!r} is not a path")
    return [Path(path) for path in paths]


def _checked(texts: Iterable[Any], name: str) -> Iterator[str]:
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise TypeError(f"{name}: item {number} is {_describe(text)}, not a text")
        yield text


def _describe(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"

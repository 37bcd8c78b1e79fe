"""Commands, arguments and options as the user types them."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin


def shell_command(*words: str | Path) -> str:
    """Format a call of mtkit for a shell.

    Args:
        words: Command, arguments and options; a path with a leading dash is written with `./`, so
            that it is not read as an option.
    """
    return shlex.join(["mtkit", *(_as_argument(word) for word in words)])


def _as_argument(word: str | Path) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") and text != "-" else text


def value_name(param: Any) -> str:
    """Return the name of a parameter's value in the help, such as FILE, N or `bleu|chrf|ter`."""
    kind = param.type_descriptor
    if param.metavar is not None:
        return param.metavar
    if kind.is_choice:
        return "|".join(choices(param))
    return {int: "N", float: "NUMBER"}.get(value_type(param), "TEXT")


def value_type(param: Any) -> Any:
    """Return the type of a parameter's value, or of each value if it is repeatable."""
    annotation = param.type_descriptor.annotation
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation


def as_typed(param: Any) -> str:
    """Return a parameter as it is typed, such as `-m DIR`, in its shortest form."""
    if param.param_type_name == "argument":
        return value_name(param)
    name = min(param.opts, key=len)
    return name if param.is_flag else f"{name} {value_name(param)}"


def limits(param: Any) -> str:
    """Return the range of a number, such as ` from 1 to 1024`; empty if it has none."""
    minimum, maximum = getattr(param, "min", None), getattr(param, "max", None)
    if minimum is None:
        return "" if maximum is None else f" of at most {maximum:g}"
    return f" of at least {minimum:g}" if maximum is None else f" from {minimum:g} to {maximum:g}"


def choices(param: Any) -> list[str]:
    """Return the values that a parameter may have."""
    return [str(getattr(choice, "value", choice)) for choice in param.type_descriptor.choices]


def option_names(command: Any, ctx: Any) -> list[str]:
    """Return all options of a command as they are typed."""
    params = [param for param in command.get_params(ctx) if param.param_type_name == "option"]
    return [name for param in params for name in (*param.opts, *param.secondary_opts)]


def all_commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command of a group with its full name, such as `mtkit data check`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command

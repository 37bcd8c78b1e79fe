"""Usage errors of a command, with the correct command to type."""

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from mtkit.cli.common.command_line import (
    all_commands,
    as_typed,
    choices,
    limits,
    option_names,
    shell_command,
    value_name,
    value_type,
)
from mtkit.errors import MtkitError

# typer brings its own click, and exports only some of its exceptions.
_click: Any = import_module(typer.BadParameter.__module__)

_SEE_HELP = "see `{} --help`"
_MAX_PATH = 1000
"""Maximum length of a text that may be the path of a file."""
_MAX_SHOWN = 100
"""Maximum number of characters of a text in an error."""


class UsageMistake(MtkitError):
    """Incorrect usage of a command."""

    exit_status = 2


def parse(
    parse_args: Callable[[Any, list[str]], list[str]], ctx: Any, args: list[str]
) -> list[str]:
    """Parse the arguments of a command.

    Args:
        parse_args: Parser of typer.
        ctx: Context of the command.
        args: Arguments after the name of the command.
    Raises:
        UsageMistake: They are invalid.
    """
    if ctx.resilient_parsing:  # shell completion
        return parse_args(ctx, args)
    is_group = hasattr(ctx.command, "commands")
    # Too many arguments are reported here, with the command that was meant.
    ctx.allow_extra_args = True
    try:
        if not is_group:
            _refuse_single_dash(ctx, args)
        rest = parse_args(ctx, list(args))
    except _click.NoArgsIsHelpError:
        raise
    except _click.UsageError as exc:
        raise _explain(exc, ctx, args) from None
    if rest and not is_group:
        raise _too_many(ctx, rest)
    return rest


def no_such_command(ctx: Any, args: Sequence[str]) -> UsageMistake:
    """Explain an unknown command: a synonym, a subcommand without its group, or the nearest one."""
    from mtkit.cli.common.other_toolkits import COMMANDS

    name, known = args[0], list(ctx.command.commands)
    full_names = [path for path, _ in all_commands(ctx.command, ctx.command_path)]
    inner = [path for path in full_names if path.split()[-1] == name]
    near = difflib.get_close_matches(name, known, 1)
    if meant := COMMANDS.get(name):
        hint = f"use `{shlex.join([*meant.split(), *args[1:]])}`"
    elif name == "help":
        hint = f"use `{shlex.join([*ctx.command_path.split(), *args[1:], '--help'])}`"
    elif inner:
        hint = f"use `{shlex.join([*inner[0].split(), *args[1:]])}`"
    elif near:
        hint = f"did you mean `{ctx.command_path} {near[0]}`?"
    else:
        hint = (
            f"`{ctx.command_path} --help` lists the commands:"
            f" {', '.join(ctx.command.list_commands(ctx))}"
        )
    return UsageMistake(f"no such command: {name}", hint)


def refuse_text(path: Path, model_dirs: Iterable[Path]) -> None:
    """Refuse a text that was given instead of a file.

    Raises:
        MtkitError: There is no such file, and the name contains spaces, or neither a directory nor
            a suffix.
    """
    text = str(path)
    if (
        text == "-"
        or os.path.lexists(path)
        or not (re.search(r"\s", text) or not re.search(r"[./\\]", text) or len(text) > _MAX_PATH)
    ):
        return
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    raise MtkitError(f"`{shown}`: no such file", text_hint(shown, model_dirs))


def text_hint(text: str, model_dirs: Iterable[Path]) -> str:
    """Return how to translate a text that was given instead of a file."""
    models = [word for model_dir in model_dirs for word in ("-m", model_dir)]
    return (
        f"to translate a text: {shlex.join(['echo', text])} |"
        f" {shell_command('translate', '-', *models)}"
    )


def _explain(exc: Any, ctx: Any, args: list[str]) -> UsageMistake:
    example = (
        f"for example: {ctx.command.examples[0]}"
        if ctx.command.examples
        else _SEE_HELP.format(ctx.command_path)
    )
    if isinstance(exc, _click.NoSuchOption):
        return _no_such_option(exc.option_name, ctx, args)
    if isinstance(exc, _click.MissingParameter) and exc.param is not None:
        return UsageMistake(f"`{ctx.command_path}` needs {as_typed(exc.param)}", example)
    if isinstance(exc, _click.BadParameter) and exc.param is not None:
        return _bad_value(exc, ctx)
    if isinstance(exc, _click.BadOptionUsage):
        param = next(
            (
                param
                for param in ctx.command.get_params(ctx)
                if exc.option_name in (*param.opts, *param.secondary_opts)
            ),
            None,
        )
        if param is not None and not param.is_flag:
            n_values = "a value" if param.nargs == 1 else f"{param.nargs} values"
            return UsageMistake(
                f"{exc.option_name} needs {n_values}: {exc.option_name} {value_name(param)}",
                _SEE_HELP.format(ctx.command_path),
            )
        return UsageMistake(f"{exc.option_name} takes no value", f"write {exc.option_name} alone")
    return UsageMistake(exc.message, _SEE_HELP.format(ctx.command_path))


def _bad_value(exc: Any, ctx: Any) -> UsageMistake:
    param: Any = exc.param
    name = max(param.opts, key=len) if param.param_type_name == "option" else value_name(param)
    see_help = _SEE_HELP.format(ctx.command_path)
    cause: Any = exc.__cause__
    problems = cause.errors() if hasattr(cause, "errors") else []
    value = problems[0]["input"] if problems else None
    kind = param.type_descriptor
    if kind.is_choice:
        near = difflib.get_close_matches(str(value), choices(param), 1)
        hint = f"did you mean {name} {near[0]}?" if near else see_help
        return UsageMistake(f"{name}: {value} is not one of {', '.join(choices(param))}", hint)
    if problems and value_type(param) in (int, float):
        number = "a whole number" if value_type(param) is int else "a number"
        return UsageMistake(f"{name}: {value} is not {number}{limits(param)}", see_help)
    return UsageMistake(f"{name}: {exc.message}", see_help)


def _too_many(ctx: Any, rest: list[str]) -> UsageMistake:
    message = f"`{ctx.command_path}`: too many arguments: {shlex.join(rest)}"
    if ctx.command.name == "translate":
        given = [str(ctx.params["input_path"]), *rest]
        if not any(map(os.path.lexists, given)):
            return UsageMistake(message, text_hint(" ".join(given), ctx.params["model_dirs"]))
        if all(map(os.path.lexists, given)):
            return UsageMistake(
                message,
                "translate one file at a time, or concatenate them: cat FILE FILE | mtkit "
                "translate -",
            )
    if ctx.command.name == "evaluate":
        given = [str(ctx.params["hypothesis_path"]), *rest]
        if all(map(os.path.lexists, given)):
            option = ["-m"] if all(map(os.path.isdir, given)) else []
            systems = [word for path in given for word in (*option, path)]
            return UsageMistake(
                message,
                f"to compare systems: {shell_command('compare', *systems, '-r', 'REFERENCE')}"
                + (" -s SRC" if option else ""),
            )
    given = [Path(word) for word in (str(ctx.params.get("recipe_path", "")), *rest)]
    if "recipe_path" in ctx.params and len(given) == 2 and all(map(Path.is_file, given)):
        return UsageMistake(
            message, f"to start with two text files: {shell_command('init', '--from-data', *given)}"
        )
    return UsageMistake(
        message,
        f"usage: {ctx.command_path} {' '.join(ctx.command.collect_usage_pieces(ctx))}; quote a path"
        " with spaces",
    )


def _refuse_single_dash(ctx: Any, args: list[str]) -> None:
    """Refuse `-model DIR`, which would mean `-m odel`, and treat `-lr 0.1` as `--lr 0.1`."""
    options = [param for param in ctx.command.get_params(ctx) if param.param_type_name == "option"]
    takes_value = {name for param in options if not param.is_flag for name in param.opts}
    known = option_names(ctx.command, ctx)
    for before, arg in zip(["", *args], args, strict=False):
        name = arg.partition("=")[0]
        if arg == "--":
            return
        if before in takes_value or not re.fullmatch(r"-[A-Za-z][\w-]+", name):
            continue
        if f"-{name}" in known:
            raise UsageMistake(
                f"`{ctx.command_path}` has no option {name}",
                f"did you mean -{name}, with two dashes?",
            )
        if name[:2] not in known:
            raise _no_such_option(
                f"-{name}",
                ctx,
                [f"-{word}" if word.partition("=")[0] == name else word for word in args],
            )


def _no_such_option(option: str, ctx: Any, args: list[str]) -> UsageMistake:
    from mtkit.cli.common.other_toolkits import suggest_replacement

    return UsageMistake(
        f"`{ctx.command_path}` has no option {option}",
        suggest_replacement(option, ctx, args) or _nearest(option, ctx),
    )


def _close(option: str, known: list[str]) -> list[str]:
    bare, given = {name.lstrip("-"): name for name in known}, option.lstrip("-")
    longer = [name for name in bare if len(given) > 2 and name.startswith(given)]
    return [bare[name] for name in longer[:1] or difflib.get_close_matches(given, bare, 1, 0.7)]


def _nearest(option: str, ctx: Any) -> str:
    own = option_names(ctx.command, ctx)
    near = _close(option, own) or [name for name in own if name.startswith(f"{option}-")][:2]
    if near:
        return f"did you mean {' or '.join(near)}?"
    root = ctx.find_root()
    elsewhere = [
        path
        for path, command in all_commands(root.command, root.command_path)
        if option in option_names(command, ctx)
    ]
    if elsewhere:
        return f"it is an option of {', '.join(f'`{path}`' for path in elsewhere)}"
    return _SEE_HELP.format(ctx.command_path)

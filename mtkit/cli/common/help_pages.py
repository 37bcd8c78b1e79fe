"""Layout of `--help`: usage, options in groups, examples."""

import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mtkit.cli.common import usage_errors
from mtkit.cli.common.command_line import as_typed, value_name
from mtkit.io.paths import normalize_path


class HelpPage:
    """Mixin for commands and groups: layout of their help, and errors that suggest what to type.

    A section `Examples:` at the end of a command's docstring is shown line by line.
    """

    help: str | None
    examples: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        text, _, examples = (kwargs.pop("help", None) or "").partition("Examples:\n")
        super().__init__(*args, help=text.strip(), **kwargs)  # pyright: ignore[reportCallIssue]
        self.examples = textwrap.dedent(examples).strip("\n").splitlines()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; a wrong usage becomes a `UsageMistake`."""
        return usage_errors.parse(super().parse_args, ctx, args)  # pyright: ignore[reportAttributeAccessIssue]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line: arguments, required options, `[OPTIONS]`."""
        params: list[Any] = self.get_params(ctx)  # pyright: ignore[reportAttributeAccessIssue]
        arguments = [param for param in params if param.param_type_name == "argument"]
        options = [
            param for param in params if param.param_type_name == "option" and param.required
        ]
        return [
            *(
                value_name(param) if param.required else f"[{value_name(param)}]"
                for param in arguments
            ),
            *(as_typed(param) for param in options),
            "[OPTIONS]",
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by group."""
        params: list[Any] = self.get_params(ctx)  # pyright: ignore[reportAttributeAccessIssue]
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in params:
            title = (
                "Arguments"
                if param.param_type_name == "argument"
                else param.rich_help_panel or "Options"
            )
            if not param.hidden:
                sections.setdefault(title, []).append((_name(param), _explanation(param, ctx)))
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples before the epilog."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)  # pyright: ignore[reportAttributeAccessIssue]


class Command(HelpPage, TyperCommand):
    """A command with our help page."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, with normalized paths."""
        ctx.params = {name: _normalized(value) for name, value in ctx.params.items()}
        try:
            return super().invoke(ctx)
        except typer.BadParameter as exc:
            raise usage_errors.UsageMistake(
                exc.message, f"see `{ctx.command_path} --help`"
            ) from None


class LazyCommands(Mapping[str, Any]):
    """The commands of a package, each imported when it is looked up.

    Args:
        package: Package with a module for each command. The module contains a function of the same
            name, or a typer app named `app` for a group of commands.
        summaries: A line for each command, in the order of the list.
    """

    def __init__(self, package: str, summaries: dict[str, str]) -> None:
        self.package, self.summaries = package, summaries
        self._loaded: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.summaries)

    def __len__(self) -> int:
        return len(self.summaries)

    def __getitem__(self, name: str) -> Any:
        if name not in self.summaries:
            raise KeyError(name)
        if name not in self._loaded:
            # `import` cannot be the name of a module.
            module_name = f"{name}_" if iskeyword(name) else name
            module = import_module(f"{self.package}.{module_name}")
            app = getattr(module, "app", None)
            if app is None:
                app = typer.Typer(rich_markup_mode=None, add_completion=False)
                app.command(name, cls=Command)(getattr(module, name))
            self._loaded[name] = typer.main.get_command(app)
            self._loaded[name].name = name
        return self._loaded[name]


class Group(HelpPage, TyperGroup):
    """A group of commands, listed with their whole summaries."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["COMMAND [OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                self.commands.summaries.items()
                if isinstance(self.commands, LazyCommands)
                else [(name, _summary(command)) for name, command in self.commands.items()]
            )
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write nothing; `format_options` has written the commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise usage_errors.no_such_command(ctx, args)
        return super().resolve_command(ctx, args)


def _summary(command: Any) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _normalized(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_normalized, value))
    return normalize_path(value) if isinstance(value, Path) else value


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return value_name(param)
    names = ", ".join(sorted(param.opts, key=lambda name: name.startswith("--")))
    if param.secondary_opts:
        return f"{names} / {', '.join(param.secondary_opts)}"
    return names if param.is_flag else f"{names} {value_name(param)}"


def _explanation(param: Any, ctx: Any) -> str:
    notes = []
    if default := _default(param, ctx):
        notes.append(f"default: {default}")
    if getattr(param, "max", None) is not None:
        notes.append(f"at most {param.max}")
    if param.required and param.param_type_name == "option":
        notes.append("required")
    return f"{param.help or ''}" + (f"  [{'; '.join(notes)}]" if notes else "")


def _default(param: Any, ctx: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    value = param.get_default(ctx, call=False)
    if value in (None, [], ()) or not param.show_default:
        return ""
    if isinstance(value, bool):
        names = param.opts if value else param.secondary_opts
        return names[0].lstrip("-") if param.secondary_opts else ""
    return str(value)

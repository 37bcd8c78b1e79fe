"""Options of a command as dataclasses: each field is an argument or an option.

    @option_group("Devices and speed")
    class DeviceOptions:
        device: Annotated[str, typer.Option(metavar="DEVICE")] = "auto"
        \"""Device that runs the model, such as cpu or cuda.\"""

    @takes_option_groups
    def translate(files: FileOptions, devices: DeviceOptions) -> None:
        ...

The docstring below a field is its help, as in the sections of a recipe. Groups can be inherited
and shared between commands, and are plain values that can be passed on whole.
"""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import wraps
from typing import Annotated, Any, NamedTuple, TypeVar, dataclass_transform, get_args, get_origin

import typer
from typer.models import ParameterInfo

from mtkit.config.section import field_docstrings

T = TypeVar("T")


class OptionGroup(NamedTuple):
    """Several parameters of a command that it receives as one value.

    Annotate a parameter with `Annotated[type, group]`; a class made by `option_group` needs no
    annotation.
    """

    parameters: list[inspect.Parameter]
    """Arguments and options, as typer reads them from a signature."""
    collect: Callable[..., Any]
    """Makes the group's value from the values of its parameters, given by name."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
def option_group(title: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass whose fields are parameters of a command.

    The docstring below a field is the help of its option. A field without `Annotated` is an option
    named after it.

    Args:
        title: Heading of the group in the help; None lists its options first, without a heading.
            A field keeps a `rich_help_panel` of its own, and an inherited field that of its class.
    """

    def decorate(cls: type[T]) -> type[T]:
        help_texts = {
            name: " ".join(text.split()).removesuffix(".")
            for name, text in field_docstrings(cls).items()
        }
        cls.__annotations__ = {
            name: _completed(annotation, title, help_texts.get(name))
            for name, annotation in cls.__annotations__.items()
        }
        return dataclass(frozen=True, kw_only=True)(cls)

    return decorate


def takes_option_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace each parameter of a command that is an option group by the options of the group."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, OptionGroup] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if group := _group_of(parameter.annotation):
            groups[parameter.name] = group
            parameters += group.parameters
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**values: Any) -> Any:
        collected = {}
        for name, group in groups.items():
            own = {parameter.name: values.pop(parameter.name) for parameter in group.parameters}
            collected[name] = group.collect(**own)
        return command(**values, **collected)

    # typer reads both.
    run.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _group_of(annotation: Any) -> OptionGroup | None:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return OptionGroup([*inspect.signature(annotation).parameters.values()], annotation)
    return next((extra for extra in get_args(annotation) if isinstance(extra, OptionGroup)), None)


def _completed(annotation: Any, title: str | None, help_text: str | None) -> Any:
    """Give an option the help and the heading that it does not have."""
    if get_origin(annotation) is not Annotated:
        annotation = Annotated[annotation, typer.Option()]
    kind, *extras = get_args(annotation)
    # Several groups may share one option.
    extras = [copy.copy(extra) for extra in extras]
    for extra in extras:
        if isinstance(extra, ParameterInfo):
            extra.rich_help_panel = extra.rich_help_panel or title
            extra.help = extra.help or help_text
    return Annotated[kind, *extras]

"""Options of a command as dataclasses: each field is an argument or an option.

    @option_group("Devices and speed")
    class DeviceOptions:
        device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu or cuda")] = "auto"
        workers: Annotated[int | None, typer.Option(min=1, help="Batches at a time")] = None

    @takes_option_groups
    def translate(files: FileOptions, devices: DeviceOptions) -> None:
        ...

Groups can be inherited and shared between commands, and are plain values that can be passed on
whole.
"""

import copy
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from typing import (
    Annotated,
    Any,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from typer.models import ParameterInfo

T = TypeVar("T")


@runtime_checkable
class OptionGroup(Protocol):
    """Several parameters of a command that it receives as one value.

    Annotate a parameter with `Annotated[type, group]`; a class made by `option_group` needs no
    annotation.
    """

    def parameters(self) -> list[inspect.Parameter]:
        """Return the arguments and options, as typer reads them from a signature."""
        ...

    def collect(self, values: dict[str, Any]) -> Any:
        """Return the group's value, made from the values of its parameters."""
        ...


@dataclass_transform(kw_only_default=True, frozen_default=True)
def option_group(title: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass whose fields are parameters of a command.

    Args:
        title: Heading of the group in the help; None lists its options first, without a heading.
            A field keeps a `rich_help_panel` of its own, and an inherited field that of its class.
    """

    def decorate(cls: type[T]) -> type[T]:
        if title is not None:
            cls.__annotations__ = {
                name: _with_title(annotation, title)
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
            parameters += group.parameters()
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**values: Any) -> Any:
        collected = {}
        for name, group in groups.items():
            own = {parameter.name: values.pop(parameter.name) for parameter in group.parameters()}
            collected[name] = group.collect(own)
        return command(**values, **collected)

    # typer reads both.
    run.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


class _DataclassGroup:
    """An `OptionGroup` with the fields of a dataclass."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        hints = get_type_hints(cls, include_extras=True)
        self._parameters = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(field),
                annotation=hints[field.name],
            )
            for field in fields(cls)
        ]

    def parameters(self) -> list[inspect.Parameter]:
        return self._parameters

    def collect(self, values: dict[str, Any]) -> Any:
        return self.cls(**values)


def _group_of(annotation: Any) -> OptionGroup | None:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _DataclassGroup(annotation)
    return next((extra for extra in get_args(annotation) if isinstance(extra, OptionGroup)), None)


def _with_title(annotation: Any, title: str) -> Any:
    """Set the heading of a field that has none."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    return Annotated[kind, *(_titled(extra, title) for extra in extras)]


def _titled(extra: Any, title: str) -> Any:
    if not isinstance(extra, ParameterInfo) or extra.rich_help_panel is not None:
        return extra
    # Several groups may share one option.
    extra = copy.copy(extra)
    extra.rich_help_panel = title
    return extra


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default

"""The settings of a search as options, for every command that searches; and what is wished of single translations."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mtkit.cli.common.options import DEVICES, TAGS_AND_CONSTRAINTS, given
from mtkit.config.search import SearchConfig

_DEFAULTS = "(defaults: those of the model)"
_GROUPS = {
    f"Search {_DEFAULTS}": (
        "beam_size",
        "length_penalty",
        "alpha",
        "coverage_penalty",
        "mbr",
        "mbr_utility",
        "n_groups",
        "diversity",
        "ensemble",
    ),
    f"Length and repetition {_DEFAULTS}": (
        *("max_length", "max_length_ratio", "max_length_extra", "min_length"),
        *("no_repeat_ngram_size", "repetition_penalty", "loop_guard"),
    ),
    f"Lines {_DEFAULTS}": ("split_sentences", "copy_untranslatable"),
    f"Sampling {_DEFAULTS}": ("sampling", "seed", "temperature", "top_k", "top_p", "epsilon"),
    DEVICES: ("max_tokens",),
}
_FIELD = re.compile(
    rf"\b({'|'.join(name for name in SearchConfig.model_fields if '_' in name)})\b|(?<=With )(mbr|sampling)\b"
)

TgtTagsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tgt-tag",
        metavar="TAG",
        help="Symbol of the vocabulary that every translation begins with, as in training; it is not written; repeatable",
        rich_help_panel=TAGS_AND_CONSTRAINTS,
    ),
]
PrefixFileOption = Annotated[
    Path | None,
    typer.Option(
        "--prefix-file",
        metavar="FILE",
        help="Beginning of each translation: line N for line N, blank for none",
        rich_help_panel=TAGS_AND_CONSTRAINTS,
    ),
]
ConstraintsOption = Annotated[
    Path | None,
    typer.Option(
        "--constraints",
        metavar="FILE",
        help='Words that must and must not appear: line N for line N, such as {"must": ["house"], "must_not": ["building"]}; blank for none',
        rich_help_panel=TAGS_AND_CONSTRAINTS,
    ),
]
AvoidOption = Annotated[
    list[str] | None,
    typer.Option(
        "--avoid",
        metavar="TEXT",
        help="Word or phrase, with capitals as given, that must not appear in any translation; repeatable",
        rich_help_panel=TAGS_AND_CONSTRAINTS,
    ),
]


def takes_search_options(*own: str) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Give a command an option for each field of `SearchConfig`; those that the user gave come to it as a dict, `search`.

    Args:
        own: Fields that are no options here, or that the command has by itself.
    """

    def add(command: Callable[..., Any]) -> Callable[..., None]:
        signature = inspect.signature(command)
        names = [name for name in SearchConfig.model_fields if name not in own]
        options = [_option(name, SearchConfig.model_fields[name]) for name in names]
        others = [
            p.replace(kind=p.KEYWORD_ONLY)
            for p in signature.parameters.values()
            if p.name != "search"
        ]

        @wraps(command)
        def run(**values: Any) -> None:
            command(search=given(**{name: values.pop(name) for name in names}), **values)

        # Typer reads these two.
        run.__signature__ = signature.replace(parameters=others + options)  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {p.name: p.annotation for p in others + options}
        return run

    return add


def _group(name: str) -> str:
    return next(title for title, names in _GROUPS.items() if name in names)


def _as_options(text: str) -> str:
    """Write the keys that a help text names as the options that they are here."""
    return _FIELD.sub(lambda match: f"--{match[0].replace('_', '-')}", text).removesuffix(".")


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    # Of a number or none, such as max_length, the number.
    annotated = next(
        (one for one in get_args(field.annotation) if get_origin(one) is Annotated), None
    )
    kind, bounds = (
        (field.annotation, field.metadata)
        if annotated is None
        else (annotated.__origin__, annotated.__metadata__)
    )
    least = None
    if kind is int:
        # Typer tells the least whole number; what else there is to keep to, pydantic does.
        least = next(
            (
                bound.ge if hasattr(bound, "ge") else bound.gt + 1
                for bound in bounds
                if hasattr(bound, "ge") or hasattr(bound, "gt")
            ),
            None,
        )
    option = typer.Option(
        min=least, help=_as_options(field.description or ""), rich_help_panel=_group(name)
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )  # type: ignore[operator]

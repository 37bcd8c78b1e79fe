"""Search settings as options, for every command that searches."""

import inspect
import re
from collections.abc import Collection
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mtkit.cli.common.option_groups import OptionGroup
from mtkit.cli.common.options import DEVICES, given
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
        "allow_unk",
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
    rf"\b({'|'.join(name for name in SearchConfig.model_fields if '_' in name)})\b|(?<=With"
    r" )(mbr|sampling)\b"
)

# Names of options that differ from the field's.
_OPTION_NAMES = {"max_tokens": "--batch-tokens"}


def search_group(without: Collection[str] = (), only: Collection[str] = ()) -> OptionGroup:
    """Return a group with an option for each field of `SearchConfig`.

    Its value is a dict of the fields that the user gave.

    Args:
        without: Fields that the command declares itself.
        only: The only fields that are options of the command; empty is all.
    """
    names = [name for name in only or SearchConfig.model_fields if name not in without]
    return OptionGroup([_option(name, SearchConfig.model_fields[name]) for name in names], given)


def option_name(field: str) -> str:
    """Return the option that sets a field of `SearchConfig`."""
    return _OPTION_NAMES.get(field) or f"--{field.replace('_', '-')}"


def _group(name: str) -> str:
    return next(title for title, names in _GROUPS.items() if name in names)


def _as_options(text: str) -> str:
    """Replace the keys in a help text by the names of their options."""
    return _FIELD.sub(lambda match: f"--{match[0].replace('_', '-')}", text).removesuffix(".")


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    # The type of a field that may be unset, such as max_length, without None.
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
        # typer checks the minimum of an integer; pydantic checks everything else.
        least = next(
            (
                bound.ge if hasattr(bound, "ge") else bound.gt + 1
                for bound in bounds
                if hasattr(bound, "ge") or hasattr(bound, "gt")
            ),
            None,
        )
    option = typer.Option(
        *([_OPTION_NAMES[name]] if name in _OPTION_NAMES else []),
        min=least,
        help=_as_options(field.description or ""),
        rich_help_panel=_group(name),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )  # type: ignore[operator]


SearchOptions = Annotated[dict[str, Any], search_group(without=("n_best",))]
"""Search settings of a command that translates; `n_best` decides what is written, too."""

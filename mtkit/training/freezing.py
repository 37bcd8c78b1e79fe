"""Parameters that training leaves as they are."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate

from torch import nn

from mtkit.errors import MtkitError


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Take parameters out of training. Call it before the optimizer is made.

    Args:
        model: Whose parameters are frozen in place.
        patterns: Of names as in `model.named_parameters()`, with the wildcards *, ? and [...]. A shared matrix has several names; one is enough.
    Raises:
        MtkitError: A pattern matches no parameter, or together they match all.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for pattern in patterns:
        matching = [name for name in parameters if fnmatchcase(name, pattern)]
        if not matching:
            raise MtkitError(
                f"training.freeze: {pattern} is the name of no parameter",
                _known_names(pattern, list(parameters)),
            )
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise MtkitError(
            "training.freeze freezes every parameter, so there is nothing to train",
            "leave some of them out",
        )


def n_parameters(model: nn.Module) -> int:
    """How many values a model has; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def n_trained(model: nn.Module) -> int:
    """How many of them are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _known_names(pattern: str, names: list[str]) -> str:
    """A hint: the nearest names or beginnings of names, else all first parts."""
    beginnings = dict.fromkeys(
        beginning for name in names for beginning in accumulate(name.split("."), "{}.{}".format)
    )
    near = get_close_matches(pattern.strip("*."), list(beginnings), n=3, cutoff=0.7)
    if near:
        return (
            f"did you mean {' or '.join(name if name in names else f'{name}.*' for name in near)}?"
        )
    return f"names begin with {', '.join(dict.fromkeys(name.split('.')[0] for name in names))}; for example encoder_layers.*"

"""Frozen parameters, and the number of parameters."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate

from torch import nn

from mtkit.errors import MtkitError


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Exclude parameters from training, in place. Call before the optimizer is created.

    Args:
        model: The model.
        patterns: Names as in `model.named_parameters()`, with the wildcards *, ? and [...]. A tied
            matrix has several names; one of them suffices.
    Raises:
        MtkitError: A pattern matches no parameter, or together they match all.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for pattern in patterns:
        matching = [name for name in parameters if fnmatchcase(name, pattern)]
        if not matching:
            raise MtkitError(
                f"training.freeze: {pattern} matches no parameter",
                _similar_names(pattern, list(parameters)),
            )
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise MtkitError(
            "training.freeze freezes every parameter, so there is nothing to train",
            "leave out some of them",
        )


def n_trained(model: nn.Module) -> int:
    """Return the number of parameters that are not frozen."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _similar_names(pattern: str, names: list[str]) -> str:
    """Return a hint: similar names or prefixes of names, or else all first components."""
    prefixes = dict.fromkeys(
        prefix for name in names for prefix in accumulate(name.split("."), "{}.{}".format)
    )
    similar = get_close_matches(pattern.strip("*."), list(prefixes), n=3, cutoff=0.7)
    if similar:
        shown = [name if name in names else f"{name}.*" for name in similar]
        return f"did you mean {' or '.join(shown)}?"
    components = dict.fromkeys(name.split(".")[0] for name in names)
    return f"names begin with {', '.join(components)}; for example encoder_layers.*"

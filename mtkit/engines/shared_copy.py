"""Copies of a model that share its weights, in which an engine replaces modules."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def shared_copy(model: Module) -> Module:
    """Copy the modules of a model, but not its parameters and buffers, which both share."""
    tensors = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def cast_copy(model: Module, dtype: torch.dtype) -> Module:
    """Copy a model with its weights in another type, or shared if they are of it already."""
    weights = {
        id(weight): nn.Parameter(weight.detach().to(dtype), requires_grad=False)
        for weight in model.parameters()
    }
    return copy.deepcopy(model, weights)


def replace_modules(root: nn.Module, replace: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replace modules below a module, in place.

    Args:
        root: The module; it is not replaced itself.
        replace: Returns the replacement of a module, or None to keep it and visit what it contains.
    """
    for name, module in root.named_children():
        replacement = replace(module)
        if replacement is None:
            replace_modules(module, replace)
        else:
            setattr(root, name, replacement)

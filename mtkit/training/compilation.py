"""Compiling a model for training."""

import os
import shutil
from importlib.util import find_spec
from typing import Literal

import torch

from mtkit.errors import MtkitError
from mtkit.io.logs import get_logger
from mtkit.model.transformer import Transformer

logger = get_logger(__name__)


def compile_model(
    model: Transformer, choice: Literal["auto", "on", "off"], backend: str = "inductor"
) -> bool:
    """Compile a model's forward pass with torch.compile, in place; it happens at the first batch.

    One graph serves batches of all shapes, so that it is paid for once: lengths are symbols in it. Nothing in it asks the device for a value.

    Args:
        model: On its device.
        choice: auto compiles on a GPU only. On a CPU it does not pay: the products take most of the time there.
        backend: What torch.compile hands the graph to.
    Returns:
        Whether it is compiled. With auto, a warning says what is missing.
    Raises:
        MtkitError: on is asked for, and a compiler is missing.
    """
    device = model.output_weight.device
    if choice == "off" or (choice == "auto" and device.type != "cuda"):
        return False
    if backend == "inductor" and (missing := _missing_compiler(device)):
        if choice == "on":
            raise MtkitError(
                f"training.compile is on, but torch.compile needs {missing}",
                "install it, or set training.compile: off",
            )
        logger.warning(
            "the model is not compiled and trains more slowly: torch.compile needs %s", missing
        )
        return False
    model.compile(dynamic=True, backend=backend)
    logger.info("the model is compiled at the first update, which takes a minute or more")
    return True


def _missing_compiler(device: torch.device) -> str | None:
    """What torch.compile would fail for at the first batch."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "the package triton (pip install triton)"
    variable, names = (
        ("CC", ("gcc", "cc", "clang"))
        if device.type == "cuda"
        else ("CXX", ("g++", "c++", "clang++"))
    )
    if any(shutil.which(name) for name in (os.environ.get(variable), *names) if name):
        return None
    return f"a compiler such as {names[0]}, which is not on the PATH"

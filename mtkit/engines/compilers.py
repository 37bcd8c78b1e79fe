"""The compilers with which Triton and torch.compile make code at run time."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import torch


def missing_compiler(device: torch.device) -> str | None:
    """Return what compiling code for a device needs and is missing, for a message."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "the package triton (pip install triton)"
    variable, names = (
        ("CC", ("gcc", "cc", "clang"))
        if device.type == "cuda"
        else ("CXX", ("g++", "c++", "clang++"))
    )
    if not any(shutil.which(name) for name in (os.environ.get(variable), *names) if name):
        return f"a compiler such as {names[0]}, which is not on the PATH"
    # Triton and Inductor compile modules for this Python.
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python.h, which is in a package such as python3-dev"
    return None

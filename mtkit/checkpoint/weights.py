"""Weights of a model as a safetensors file, read into a model that has none yet."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mtkit.config.model import ModelConfig
from mtkit.errors import MtkitError
from mtkit.io.safetensors_header import open_safetensors
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer

_WEIGHT_TYPES = ("F32", "BF16", "F16", "F64")
_RANDOM_INITS = ("normal_", "uniform_", "kaiming_uniform_")


def save_weights(path: Path, model: nn.Module) -> None:
    """Write every parameter once, shared ones under their first name."""
    save_tensors(path, {name: parameter.detach() for name, parameter in model.named_parameters()})


def save_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors, and notes to the header of the file.

    Raises:
        OSError: The file cannot be written.
    """
    contiguous = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    path.touch()
    mode = path.stat().st_mode
    # Unlike `save`, it makes no copy of the weights in memory.
    try:
        save_file(contiguous, path, metadata)
    except SafetensorError as exc:
        # It has the errors of the operating system, such as a full disk, as text alone.
        if match := re.search(r"\(os error (\d+)\)", str(exc)):
            number = int(match[1])
            raise OSError(number, os.strerror(number), str(path)) from exc
        raise
    # It makes the file unreadable for other users.
    path.chmod(mode)


def read_tensors(path: Path, shapes: dict[str, tuple[int, ...]] | None = None) -> dict[str, Tensor]:
    """Read named tensors, as views of the memory-mapped file.

    Args:
        path: A safetensors file.
        shapes: Expected shapes, compared with the header of the file before anything is allocated.
    Raises:
        MtkitError: The file is missing or damaged, or contains other tensors than expected.
    """
    with open_safetensors(path, "pt") as (header, file):
        if shapes is not None:
            _compare(path, {name: info.shape for name, info in header.tensors.items()}, shapes)
            for name, info in header.tensors.items():
                if info.dtype not in _WEIGHT_TYPES:
                    raise MtkitError(
                        f"`{path}`: {name} has type {info.dtype}, which is not a type of weights",
                        "the file is damaged; make or copy it again",
                    )
        return {name: file.get_tensor(name) for name in header.tensors}


def _compare(
    path: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise MtkitError(
                f"`{path}`: {name} is {_describe_shape(found.get(name))}, but "
                f"{_describe_shape(expected.get(name))} according to config.json",
                "weights and config.json do not belong together; make or copy the directory again",
            )


def _describe_shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else f"of shape {list(shape)}"


def read_weights(path: Path, model: nn.Module, device: torch.device | str = "cpu") -> None:
    """Load the weights of a file into a model, which may be on the meta device.

    Raises:
        MtkitError: The file is missing or damaged, or its weights do not belong to this model.
    """
    parameters = dict(model.named_parameters())
    tensors = read_tensors(
        path, {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    )
    for name, parameter in parameters.items():
        module_name, _, attribute = name.rpartition(".")
        tensor = tensors[name].to(device=device, dtype=torch.float32)
        setattr(
            model.get_submodule(module_name),
            attribute,
            nn.Parameter(tensor, requires_grad=parameter.requires_grad),
        )


class _SkipRandomInit(TorchFunctionMode):
    """Skips the initialization of weights, which on the meta device has no effect, but loads
    torch's compiler in about a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _RANDOM_INITS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def without_weights() -> Iterator[None]:
    """Create modules on the meta device, where their weights have shapes but no memory."""
    with torch.device("meta"), _SkipRandomInit():
        yield


def make_empty_model(config: ModelConfig, tokenizer: Tokenizer) -> Transformer:
    """Make a model on the meta device, to load weights into.

    Raises:
        ValueError: The configuration does not fit the vocabularies.
        RuntimeError: Its sizes are beyond the limits of torch.
    """
    src, tgt = tokenizer.src, tokenizer.tgt
    with without_weights():
        return Transformer(config, src.vocab_size, tgt.vocab_size, src.special.pad, tgt.special.pad)

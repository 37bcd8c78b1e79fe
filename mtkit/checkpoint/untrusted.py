"""Limits on what a model directory may require, checked before memory is allocated.

A model directory may come from an untrusted source.
"""

import json
import stat
from pathlib import Path
from typing import Any

from mtkit.config.model import ModelConfig
from mtkit.config.search import SearchConfig
from mtkit.errors import MtkitError
from mtkit.io.atomic import os_error_reason
from mtkit.io.safetensors_header import Header

MAX_CONFIG_BYTES = 1 << 20
_HINT = "make or copy the directory again"

_LIMITS = {
    "max_length": 1 << 16,
    "model.d_model": 1 << 20,
    "model.d_ff": 1 << 20,
    "model.n_encoder_layers": 1000,
    "model.n_decoder_layers": 1000,
    "model.max_positions": 1 << 24,
    "search.beam_size": 1000,
    "search.max_length_ratio": 1000,
    "search.max_length_extra": 1 << 16,
    "search.min_length": 1 << 16,
    "search.max_tokens": 1 << 22,
}
"""Far beyond all existing models; beyond these, a line of text could take all memory or very
long."""


def read_json(path: Path) -> Any:
    """Read a small JSON file.

    Raises:
        MtkitError: It is not a regular file, too large, or not JSON.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MtkitError(f"`{path}`: is not a regular file", _HINT)
        if status.st_size > MAX_CONFIG_BYTES:
            raise MtkitError(
                f"`{path}`: has {status.st_size:,} bytes, more than {MAX_CONFIG_BYTES:,}", _HINT
            )
        with path.open("rb") as stream:
            return json.loads(stream.read(MAX_CONFIG_BYTES))
    except OSError as exc:
        raise MtkitError(
            f"`{path}`: cannot be read: {os_error_reason(exc)}",
            "check its permissions",
        ) from None
    except (ValueError, RecursionError):
        raise MtkitError(
            f"`{path}`: not a configuration of mtkit: it is not valid JSON", _HINT
        ) from None


def check_limits(path: Path, max_length: int, model: ModelConfig, search: SearchConfig) -> None:
    """Compare a configuration with the limits.

    Raises:
        MtkitError: It exceeds them.
    """
    values: dict[str, Any] = {"max_length": max_length}
    values |= {f"model.{name}": value for name, value in model if f"model.{name}" in _LIMITS}
    values |= {f"search.{name}": value for name, value in search if f"search.{name}" in _LIMITS}
    for name, value in values.items():
        if value is not None and value > _LIMITS[name]:
            shown = str(value) if value < 1e15 else "an enormous number"
            raise MtkitError(
                f"`{path}`: {name} is {shown}; no model needs more than {_LIMITS[name]:,}", _HINT
            )


def check_layer_counts(path: Path, header: Header, model: ModelConfig) -> None:
    """Compare the number of layers with those in the header of the weights, whose size is known.

    Raises:
        MtkitError: They differ.
    """
    for side, n_layers in (
        ("encoder", model.n_encoder_layers),
        ("decoder", model.n_decoder_layers),
    ):
        prefix = f"{side}_layers."
        n_found = len(
            {
                name.removeprefix(prefix).partition(".")[0]
                for name in header.tensors
                if name.startswith(prefix)
            }
        )
        if n_found != n_layers:
            raise MtkitError(
                f"`{path}`: has {n_found} {side} layers, but {n_layers} according to config.json",
                "weights and config.json do not belong together; make or copy the directory again",
            )

"""Files of a Hugging Face model directory, read without trusting them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import INCOMPLETE, read_bytes
from mtkit.io.safetensors_header import open_safetensors

CONFIG_NAME, GENERATION_NAME = "config.json", "generation_config.json"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
VOCAB_NAME, TGT_VOCAB_NAME = "vocab.json", "target_vocab.json"
SRC_MODEL_NAME, TGT_MODEL_NAME = "source.spm", "target.spm"
WEIGHTS_NAME, PICKLE_NAME = "model.safetensors", "pytorch_model.bin"
MODEL_FILES = (
    *(CONFIG_NAME, GENERATION_NAME, TOKENIZER_CONFIG_NAME, VOCAB_NAME, TGT_VOCAB_NAME),
    *(SRC_MODEL_NAME, TGT_MODEL_NAME, WEIGHTS_NAME, PICKLE_NAME),
)
"""The files that an import reads."""
_MAX_JSON_BYTES = 64 << 20
_MAX_SPM_BYTES = 32 << 20


def read_object(path: Path, *, required: bool = True) -> dict[str, Any]:
    """Read a JSON file that contains an object.

    Returns:
        The object; empty if the file is missing and not required.
    Raises:
        MtkitError: It is missing, too large, or something else.
    """
    if not required and not path.exists():
        return {}
    try:
        tree = json.loads(read_bytes(path, _MAX_JSON_BYTES))
    except (ValueError, RecursionError):
        raise MtkitError(f"`{path}`: not valid JSON", INCOMPLETE) from None
    if not isinstance(tree, dict):
        raise MtkitError(f"`{path}`: is not a JSON object", INCOMPLETE)
    return tree


def read_spm(path: Path) -> bytes:
    """Read a SentencePiece model.

    Raises:
        MtkitError: It is missing or too large.
    """
    return read_bytes(path, _MAX_SPM_BYTES)


@contextmanager
def open_weights(directory: Path, *, allow_pickle: bool) -> Iterator[tuple[Any, Any, Path]]:
    """Open the weights of a model.

    Args:
        directory: The model.
        allow_pickle: Whether pytorch_model.bin may be read if there is no model.safetensors.
    Yields:
        The header, the open file of safetensors with torch tensors, and the path of the weights.
    Raises:
        MtkitError: There are none, they are damaged, or they are in a form that is not read.
    """
    path, pickle_path = directory / WEIGHTS_NAME, directory / PICKLE_NAME
    if path.exists():
        with open_safetensors(path, "pt") as (header, file):
            yield header, file, path
        return
    if (directory / f"{WEIGHTS_NAME}.index.json").exists():
        raise MtkitError(
            f"`{directory}`: the weights are in several files, which mtkit does not read",
            "load the model with transformers, and save it with "
            'save_pretrained(DIR, max_shard_size="100GB")',
        )
    if not pickle_path.exists():
        raise MtkitError(
            f"`{directory}`: contains neither {WEIGHTS_NAME} nor {PICKLE_NAME}",
            INCOMPLETE,
        )
    if not allow_pickle:
        raise MtkitError(
            f"`{pickle_path}`: is a pickle, which may contain code; there is no {WEIGHTS_NAME}",
            "if you trust its source, give --allow-pickle: only tensors are read, in a process of "
            "its own",
        )
    with TemporaryDirectory(prefix="mtkit-") as folder:
        converted = Path(folder) / WEIGHTS_NAME
        convert_pickle(pickle_path, converted)
        with open_safetensors(converted, "pt") as (header, file):
            yield header, file, pickle_path


def convert_pickle(pickle_path: Path, out_path: Path) -> None:
    """Copy the tensors of a pickle to a safetensors file, in a process of its own.

    Raises:
        MtkitError: It contains anything but tensors, or cannot be read.
    """
    command = [sys.executable, "-m", "mtkit.interop.huggingface.convert_pickle"]
    done = subprocess.run(
        [*command, str(pickle_path), str(out_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it crashed"])[-1][:200]
        raise MtkitError(
            f"`{pickle_path}`: cannot be read as tensors: {reason}",
            f"use a model that has {WEIGHTS_NAME}",
        )

"""Files of a Hugging Face model directory, read without trusting them."""

import json
from pathlib import Path
from typing import Any

from mtkit.errors import MtkitError
from mtkit.interop.foreign_files import INCOMPLETE, read_bytes

CONFIG_NAME, GENERATION_NAME = "config.json", "generation_config.json"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
VOCAB_NAME, TGT_VOCAB_NAME = "vocab.json", "target_vocab.json"
SRC_MODEL_NAME, TGT_MODEL_NAME = "source.spm", "target.spm"
JOINT_MODEL_NAME, TOKENIZER_NAME = "sentencepiece.bpe.model", "tokenizer.json"
WEIGHTS_NAME, PICKLE_NAME = "model.safetensors", "pytorch_model.bin"
INDEX_NAME, PICKLE_INDEX_NAME = f"{WEIGHTS_NAME}.index.json", f"{PICKLE_NAME}.index.json"
SETTINGS_FILES = (
    *(CONFIG_NAME, GENERATION_NAME, TOKENIZER_CONFIG_NAME, VOCAB_NAME, TGT_VOCAB_NAME),
    *(SRC_MODEL_NAME, TGT_MODEL_NAME, JOINT_MODEL_NAME, TOKENIZER_NAME),
)
MODEL_FILES = (*SETTINGS_FILES, WEIGHTS_NAME, PICKLE_NAME, INDEX_NAME, PICKLE_INDEX_NAME)
"""The files that an import reads; weights may be in further ones, which an index lists."""
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

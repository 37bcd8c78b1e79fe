"""Files of a tokenizer, and the settings of a SentencePiece model, read without the library.

A model is a Protocol Buffers message, as sentencepiece_model.proto describes it.
"""

from pathlib import Path
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.protobuf import read_fields

TOKENIZER_DIR_NAME = "tokenizer"
"""Name of the tokenizer's directory within a model directory."""
JOINT_NAME = "joint.model"
SRC_NAME = "src.model"
TGT_NAME = "tgt.model"

ENTRIES, _TRAINER, NORMALIZER = 1, 2, 3
"""Fields of a model."""
NORMALIZER_NAME = 1
"""Field of the normalizer's settings."""
_KIND, _BYTE_FALLBACK = 3, 35  # fields of the trainer's settings
_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


class SubwordSettings(NamedTuple):
    """Settings that a model was trained with, named as in the recipe."""

    type: str
    """bpe, unigram, char, or word, which recipes do not support."""
    vocab_size: int
    byte_fallback: bool
    normalization: str


def find_model_files(directory: Path) -> tuple[Path, Path]:
    """Return the paths of both sides' models in a tokenizer or model directory.

    Both are the same path for a joint tokenizer.

    Raises:
        MtkitError: There are none.
    """
    for candidate in (directory / TOKENIZER_DIR_NAME, directory):
        if (candidate / JOINT_NAME).exists():
            return candidate / JOINT_NAME, candidate / JOINT_NAME
        if (candidate / SRC_NAME).exists() and (candidate / TGT_NAME).exists():
            return candidate / SRC_NAME, candidate / TGT_NAME
    inner = directory / "model"
    hint = f"did you mean `{inner}`?" if (inner / TOKENIZER_DIR_NAME).is_dir() else "check the path"
    raise MtkitError(
        f"`{directory}`: no tokenizer found (neither {JOINT_NAME} nor {SRC_NAME} with {TGT_NAME})",
        hint,
    )


def read_settings(model_bytes: bytes, name: str = "tokenizer") -> SubwordSettings:
    """Read the settings of a model.

    Args:
        model_bytes: The model, as SentencePiece writes it.
        name: Name of the model in errors.
    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    try:
        fields = list(read_fields(model_bytes))
        trainer, normalizer = (
            dict(read_fields(dict(fields)[number])) for number in (_TRAINER, NORMALIZER)
        )
        return SubwordSettings(
            type=_KINDS[trainer.get(_KIND, 1)],
            vocab_size=sum(number == ENTRIES for number, _ in fields),
            byte_fallback=bool(trainer.get(_BYTE_FALLBACK, 0)),
            normalization=normalizer.get(NORMALIZER_NAME, b"").decode(errors="replace"),
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise MtkitError(
            f"`{name}`: not a SentencePiece model", "make or copy the directory again"
        ) from None

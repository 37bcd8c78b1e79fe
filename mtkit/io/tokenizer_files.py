"""Files of a tokenizer, and SentencePiece models read without the library.

A model is a Protocol Buffers message, as sentencepiece_model.proto describes it. The library
exposes neither its settings nor its user-defined symbols.
"""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.errors import MtkitError

TOKENIZER_DIR_NAME = "tokenizer"
"""Name of the tokenizer's directory within a model directory."""
JOINT_NAME = "joint.model"
SRC_NAME = "src.model"
TGT_NAME = "tgt.model"

VARINT, _EIGHT_BYTES, LENGTH_PREFIXED, FOUR_BYTES = 0, 1, 2, 5  # wire types
ENTRIES, TRAINER, NORMALIZER, SELF_TEST = 1, 2, 3, 4  # fields of a model
NORMALIZER_NAME, CHARSMAP = 1, 2  # fields of the normalizer's settings
TEXT, SCORE, TYPE = 1, 2, 3  # fields of a vocabulary entry
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # types of entries
_SEGMENTED_TEXT, _SEGMENTS, _BEGIN, _END = 1, 2, 4, 5  # fields of a segmentation
KIND, BYTE_FALLBACK = 3, 35  # fields of the trainer's settings
UNK_TEXT, BOS_TEXT, EOS_TEXT, PAD_TEXT = 45, 46, 47, 48  # fields of the trainer's settings
BPE = 2
_KINDS = {1: "unigram", BPE: "bpe", 3: "word", 4: "char"}


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
            dict(read_fields(dict(fields)[number])) for number in (TRAINER, NORMALIZER)
        )
        return SubwordSettings(
            type=_KINDS[trainer.get(KIND, 1)],
            vocab_size=sum(number == ENTRIES for number, _ in fields),
            byte_fallback=bool(trainer.get(BYTE_FALLBACK, 0)),
            normalization=normalizer.get(NORMALIZER_NAME, b"").decode(errors="replace"),
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise MtkitError(
            f"`{name}`: not a SentencePiece model", "make or copy the directory again"
        ) from None


def read_user_symbols(model_bytes: bytes) -> tuple[str, ...]:
    """Return the user-defined symbols of a model, in the order of their ids.

    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    return tuple(
        entry[TEXT].decode()
        for entry in read_entries(model_bytes)
        if entry.get(TYPE) == USER_DEFINED
    )


def have_same_tokens(first: bytes, second: bytes) -> bool:
    """Return whether two models have the same tokens at the same ids.

    Raises:
        MtkitError: One is not a SentencePiece model.
    """
    return read_tokens(first) == read_tokens(second)


def read_tokens(model_bytes: bytes) -> list[str]:
    """Return the tokens of a model, by id.

    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    return [entry[TEXT].decode() for entry in read_entries(model_bytes)]


def read_entries(model_bytes: bytes) -> list[dict[int, Any]]:
    """Return the fields of each vocabulary entry, by id.

    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    try:
        entries = [
            dict(read_fields(value))
            for number, value in read_fields(model_bytes)
            if number == ENTRIES
        ]
        for entry in entries:
            entry[TEXT].decode()
    except (AttributeError, IndexError, KeyError, TypeError, UnicodeDecodeError):
        raise MtkitError(
            "the tokenizer: not a SentencePiece model", "make or copy the directory again"
        ) from None
    return entries


def read_segmentation(message: bytes) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of a serialized segmentation, and the span of each token in characters.

    Of the byte tokens that spell one character, all but the last have an empty span where the
    character begins.
    """
    fields = list(read_fields(message))
    text = b"".join(value for number, value in fields if number == _SEGMENTED_TEXT)
    tokens = [dict(read_fields(value)) for number, value in fields if number == _SEGMENTS]
    # Offsets are in bytes; this maps each to the number of characters that begin before it.
    char_offsets = [0, *accumulate(byte & 0xC0 != 0x80 for byte in text)]
    return text.decode(), [
        (char_offsets[token.get(_BEGIN, 0)], char_offsets[token.get(_END, 0)]) for token in tokens
    ]


def read_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value (int or bytes) of each field of a Protocol Buffers message."""
    offset = 0
    while offset < len(message):
        tag, offset = _decode_varint(message, offset)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, offset = _decode_varint(message, offset)
            yield number, value
            continue
        if wire_type == LENGTH_PREFIXED:
            n_bytes, offset = _decode_varint(message, offset)
        else:
            n_bytes = {_EIGHT_BYTES: 8, FOUR_BYTES: 4}[wire_type]
        yield number, message[offset : offset + n_bytes]
        offset += n_bytes


def _decode_varint(message: bytes, offset: int) -> tuple[int, int]:
    """Decode a varint (seven bits per byte, lowest first); return it and the offset after it."""
    value = shift = 0
    while True:
        byte = message[offset]
        if shift > 63:
            raise IndexError("a varint of more than ten bytes")
        offset, value, shift = offset + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, offset

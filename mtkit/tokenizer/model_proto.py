"""Tokenizers on disk: the files of a folder, and what SentencePiece keeps in them, read and added to without the library.

A model is a Protocol Buffers message, as sentencepiece_model.proto describes it. The library tells neither the settings nor the symbols of a model,
and has no way to add a piece.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from mtkit.errors import MtkitError

TOKENIZER_DIR_NAME = "tokenizer"
"""The folder of a tokenizer in that of a model."""
JOINT_NAME = "joint.model"
SRC_NAME = "src.model"
TGT_NAME = "tgt.model"

_ENTRIES, _TRAINER, _NORMALIZER = 1, 2, 3  # of a model
_TEXT, _SCORE, _TYPE = 1, 2, 3  # of a piece
_KIND, _BYTE_FALLBACK = 3, 35  # of the trainer's settings
_NAME, _RULE_PATH = 1, 6  # of the normalizer's settings
_NORMAL, _USER_DEFINED = 1, 4  # types of pieces
_SEGMENTED_TEXT, _SEGMENTS, _BEGIN, _END = 1, 2, 4, 5  # of a text in pieces
_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}

_VARINT, _EIGHT_BYTES, _LENGTH_PREFIXED, _FOUR_BYTES = 0, 1, 2, 5


class NewEntry(NamedTuple):
    """A piece to add to a model."""

    text: str
    score: float = 0.0
    is_symbol: bool = False
    """It is never split, and its score does not count."""


class SubwordSettings(NamedTuple):
    """How a model was trained, in the words of the recipe."""

    type: str
    """bpe, unigram, char; or word, which recipes do not know."""
    vocab_size: int
    byte_fallback: bool
    normalization: str


def find_model_files(folder: Path) -> tuple[Path, Path]:
    """The models of both sides in the folder of a tokenizer, or of a model that holds one; the same file twice where they are joint.

    Raises:
        MtkitError: There are none.
    """
    for place in (folder / TOKENIZER_DIR_NAME, folder):
        if (place / JOINT_NAME).exists():
            return place / JOINT_NAME, place / JOINT_NAME
        if (place / SRC_NAME).exists() and (place / TGT_NAME).exists():
            return place / SRC_NAME, place / TGT_NAME
    inner = folder / "model"
    hint = f"did you mean `{inner}`?" if (inner / TOKENIZER_DIR_NAME).is_dir() else "check the path"
    raise MtkitError(
        f"`{folder}`: no tokenizer here (neither {JOINT_NAME} nor {SRC_NAME} with {TGT_NAME})", hint
    )


def read_settings(model_bytes: bytes, name: str = "tokenizer") -> SubwordSettings:
    """The settings of a model.

    Args:
        model_bytes: As SentencePiece writes it.
        name: What to call it in an error.
    Raises:
        MtkitError: It is no SentencePiece model.
    """
    try:
        fields = list(_fields(model_bytes))
        trainer, normalizer = (
            dict(_fields(dict(fields)[number])) for number in (_TRAINER, _NORMALIZER)
        )
        return SubwordSettings(
            type=_KINDS[trainer.get(_KIND, 1)],
            vocab_size=sum(number == _ENTRIES for number, _ in fields),
            byte_fallback=bool(trainer.get(_BYTE_FALLBACK, 0)),
            normalization=normalizer.get(_NAME, b"").decode(errors="replace"),
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise MtkitError(
            f"`{name}`: not a SentencePiece model", "make or copy the folder again"
        ) from None


def read_user_symbols(model_bytes: bytes) -> tuple[str, ...]:
    """The user-defined pieces of a model, in the order of their ids.

    Raises:
        MtkitError: It is no SentencePiece model.
    """
    try:
        pieces = [
            dict(_fields(value)) for number, value in _fields(model_bytes) if number == _ENTRIES
        ]
        return tuple(piece[_TEXT].decode() for piece in pieces if piece.get(_TYPE) == _USER_DEFINED)
    except (AttributeError, IndexError, KeyError, TypeError, UnicodeDecodeError):
        raise MtkitError(
            "the tokenizer: not a SentencePiece model", "make or copy the folder again"
        ) from None


def read_segmentation(message: bytes) -> tuple[str, list[tuple[int, int]]]:
    """The text of a segmentation, as the library serializes one, and where each of its pieces begins and ends in it, in characters.

    Pieces that stand for parts of a character but its last one have no room of their own, and are where the character begins.
    """
    fields = list(_fields(message))
    text = b"".join(value for number, value in fields if number == _SEGMENTED_TEXT)
    pieces = [dict(_fields(value)) for number, value in fields if number == _SEGMENTS]
    # Its places are bytes, and this many characters have begun before each.
    place_of_byte = [0, *accumulate(byte & 0xC0 != 0x80 for byte in text)]
    return text.decode(), [
        (place_of_byte[piece.get(_BEGIN, 0)], place_of_byte[piece.get(_END, 0)]) for piece in pieces
    ]


def add_entries(model_bytes: bytes, new: Iterable[NewEntry]) -> bytes:
    """A model with further pieces behind its own, all of which keep their ids.

    A plain piece of the model that is to be a symbol becomes one in its place.
    """
    new = list(new)
    symbols = {piece.text.encode() for piece in new if piece.is_symbol}
    known: set[bytes] = set()
    fields = []
    for number, value in _fields(model_bytes):
        if number == _ENTRIES:
            piece = dict(_fields(value))
            known.add(piece[_TEXT])
            if piece[_TEXT] in symbols and piece.get(_TYPE, _NORMAL) == _NORMAL:
                # Of a field given twice the last one counts.
                value += _number_field(_TYPE, _USER_DEFINED)
        # All fields of a model are messages themselves.
        fields.append(_bytes_field(number, value))
    added = (
        _bytes_field(_ENTRIES, _entry_message(piece))
        for piece in new
        if piece.text.encode() not in known
    )
    return b"".join([*fields, *added])


def set_normalization_name(model_bytes: bytes, name: str) -> bytes:
    """Name the normalisation of a model that was trained with rules from a file, and drop the path of that file."""
    return b"".join(
        _bytes_field(number, _with_name(value, name) if number == _NORMALIZER else value)
        for number, value in _fields(model_bytes)
    )


def _with_name(normalizer: bytes, name: str) -> bytes:
    kept = (
        _bytes_field(number, value) if isinstance(value, bytes) else _number_field(number, value)
        for number, value in _fields(normalizer)
        if number not in (_NAME, _RULE_PATH)
    )
    return b"".join([_bytes_field(_NAME, name.encode()), *kept])


def _entry_message(piece: NewEntry) -> bytes:
    score = _key(_SCORE, _FOUR_BYTES) + struct.pack("<f", piece.score)
    return (
        _bytes_field(_TEXT, piece.text.encode())
        + score
        + (_number_field(_TYPE, _USER_DEFINED) if piece.is_symbol else b"")
    )


def _bytes_field(number: int, value: bytes) -> bytes:
    return _key(number, _LENGTH_PREFIXED) + _encode_varint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _encode_varint(value)


def _key(number: int, wire_type: int) -> bytes:
    return _encode_varint(number << 3 | wire_type)


def _encode_varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a Protocol Buffers message; values are numbers or bytes."""
    place = 0
    while place < len(message):
        tag, place = _decode_varint(message, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, place = _decode_varint(message, place)
            yield number, value
            continue
        if wire_type == _LENGTH_PREFIXED:
            n_bytes, place = _decode_varint(message, place)
        else:
            n_bytes = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[wire_type]
        yield number, message[place : place + n_bytes]
        place += n_bytes


def _decode_varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        if shift > 63:
            raise IndexError("a number of more than ten bytes")
        place, value, shift = place + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, place

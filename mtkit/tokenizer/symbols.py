"""Strings that a SentencePiece model never splits, read from its bytes: the library tells no way to ask for them."""

from collections.abc import Iterator
from typing import Any

_PIECES = 1  # of a model, in sentencepiece_model.proto
_TEXT, _TYPE = 1, 3  # of a piece
_USER_DEFINED = 4  # of the types

_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


def read_user_symbols(model_bytes: bytes) -> tuple[str, ...]:
    """The user-defined pieces of a model, in the order of their ids."""
    pieces = (dict(_fields(value)) for number, value in _fields(model_bytes) if number == _PIECES)
    return tuple(piece[_TEXT].decode() for piece in pieces if piece.get(_TYPE) == _USER_DEFINED)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a Protocol Buffers message; values are numbers or bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire_type == _COUNTED:
            n_bytes, place = _varint(message, place)
        else:
            n_bytes = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[wire_type]
        yield number, message[place : place + n_bytes]
        place += n_bytes


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        place, value, shift = place + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, place

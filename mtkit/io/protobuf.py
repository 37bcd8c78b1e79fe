"""Protocol Buffers messages, read and written field by field without a schema."""

import struct
from collections.abc import Iterator
from typing import Any

_VARINT, _EIGHT_BYTES, _LENGTH_PREFIXED, _FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""


def read_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value (int or bytes) of each field of a Protocol Buffers message."""
    offset = 0
    while offset < len(message):
        tag, offset = _decode_varint(message, offset)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, offset = _decode_varint(message, offset)
            yield number, value
            continue
        if wire_type == _LENGTH_PREFIXED:
            n_bytes, offset = _decode_varint(message, offset)
        else:
            n_bytes = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[wire_type]
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


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a field that contains bytes, a string or a message."""
    return _key(number, _LENGTH_PREFIXED) + _encode_varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    """Encode a field that contains an integer."""
    return _key(number, _VARINT) + _encode_varint(value)


def float_field(number: int, value: float) -> bytes:
    """Encode a field that contains a number of 32 bits."""
    return _key(number, _FOUR_BYTES) + struct.pack("<f", value)


def _key(number: int, wire_type: int) -> bytes:
    return _encode_varint(number << 3 | wire_type)


def _encode_varint(value: int) -> bytes:
    septets = []
    while value >= 0x80:
        septets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*septets, value])

"""SentencePiece models, extended and changed without the library, which cannot do it."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from mtkit.io.tokenizer_files import (
    ENTRIES,
    FOUR_BYTES,
    LENGTH_PREFIXED,
    NORMAL,
    NORMALIZER,
    NORMALIZER_NAME,
    SCORE,
    TEXT,
    TYPE,
    USER_DEFINED,
    VARINT,
    read_fields,
)

_RULE_PATH = 6  # field of the normalizer's settings


class NewEntry(NamedTuple):
    """An entry to add to the vocabulary of a model."""

    text: str
    score: float = 0.0
    is_symbol: bool = False
    """Whether it is never split; its score then has no effect."""


def add_entries(model_bytes: bytes, new: Iterable[NewEntry]) -> bytes:
    """Append entries to a model; the ids of its own entries do not change.

    An ordinary entry that is to become a symbol is changed in place.
    """
    new = list(new)
    symbols = {entry.text.encode() for entry in new if entry.is_symbol}
    existing: set[bytes] = set()
    fields = []
    for number, value in read_fields(model_bytes):
        if number == ENTRIES:
            entry = dict(read_fields(value))
            existing.add(entry[TEXT])
            if entry[TEXT] in symbols and entry.get(TYPE, NORMAL) == NORMAL:
                # If a field occurs twice, the last one is valid.
                value += _number_field(TYPE, USER_DEFINED)
        # All fields of a model are messages.
        fields.append(_bytes_field(number, value))
    added = (
        _bytes_field(ENTRIES, _entry_message(entry))
        for entry in new
        if entry.text.encode() not in existing
    )
    return b"".join([*fields, *added])


def set_normalization_name(model_bytes: bytes, name: str) -> bytes:
    """Set the name of a model's normalization, and remove the path of the file with its rules."""
    return b"".join(
        _bytes_field(number, _with_name(value, name) if number == NORMALIZER else value)
        for number, value in read_fields(model_bytes)
    )


def _with_name(normalizer: bytes, name: str) -> bytes:
    kept = (
        _bytes_field(number, value) if isinstance(value, bytes) else _number_field(number, value)
        for number, value in read_fields(normalizer)
        if number not in (NORMALIZER_NAME, _RULE_PATH)
    )
    return b"".join([_bytes_field(NORMALIZER_NAME, name.encode()), *kept])


def _entry_message(entry: NewEntry) -> bytes:
    return (
        _bytes_field(TEXT, entry.text.encode())
        + _key(SCORE, FOUR_BYTES)
        + struct.pack("<f", entry.score)
        + (_number_field(TYPE, USER_DEFINED) if entry.is_symbol else b"")
    )


def _bytes_field(number: int, value: bytes) -> bytes:
    return _key(number, LENGTH_PREFIXED) + _encode_varint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return _key(number, VARINT) + _encode_varint(value)


def _key(number: int, wire_type: int) -> bytes:
    return _encode_varint(number << 3 | wire_type)


def _encode_varint(value: int) -> bytes:
    septets = []
    while value >= 0x80:
        septets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*septets, value])

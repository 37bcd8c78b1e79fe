"""SentencePiece models, read and extended without the library.

The library does not expose the user-defined symbols of a model, and cannot add entries.
"""

from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from mtkit.errors import MtkitError
from mtkit.io.protobuf import bytes_field, float_field, number_field, read_fields
from mtkit.io.tokenizer_files import ENTRIES, NORMALIZER, NORMALIZER_NAME

_RULE_PATH = 6  # field of the normalizer's settings
_TEXT, _SCORE, _TYPE = 1, 2, 3  # fields of a vocabulary entry
_NORMAL, _USER_DEFINED = 1, 4  # types of entries
_SEGMENTED_TEXT, _SEGMENTS, _BEGIN, _END = 1, 2, 4, 5  # fields of a segmentation


class NewEntry(NamedTuple):
    """An entry to add to the vocabulary of a model."""

    text: str
    score: float = 0.0
    is_symbol: bool = False
    """Whether it is never split; its score then has no effect."""


def read_user_symbols(model_bytes: bytes) -> tuple[str, ...]:
    """Return the user-defined symbols of a model, in the order of their ids.

    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    try:
        entries = [
            dict(read_fields(value))
            for number, value in read_fields(model_bytes)
            if number == ENTRIES
        ]
        return tuple(
            entry[_TEXT].decode() for entry in entries if entry.get(_TYPE) == _USER_DEFINED
        )
    except (AttributeError, IndexError, KeyError, TypeError, UnicodeDecodeError):
        raise MtkitError(
            "the tokenizer: not a SentencePiece model", "make or copy the directory again"
        ) from None


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
            existing.add(entry[_TEXT])
            if entry[_TEXT] in symbols and entry.get(_TYPE, _NORMAL) == _NORMAL:
                # If a field occurs twice, the last one is valid.
                value += number_field(_TYPE, _USER_DEFINED)
        # All fields of a model are messages.
        fields.append(bytes_field(number, value))
    added = (
        bytes_field(ENTRIES, _entry_message(entry))
        for entry in new
        if entry.text.encode() not in existing
    )
    return b"".join([*fields, *added])


def set_normalization_name(model_bytes: bytes, name: str) -> bytes:
    """Set the name of a model's normalization, and remove the path of the file with its rules."""
    return b"".join(
        bytes_field(number, _with_name(value, name) if number == NORMALIZER else value)
        for number, value in read_fields(model_bytes)
    )


def _with_name(normalizer: bytes, name: str) -> bytes:
    kept = (
        bytes_field(number, value) if isinstance(value, bytes) else number_field(number, value)
        for number, value in read_fields(normalizer)
        if number not in (NORMALIZER_NAME, _RULE_PATH)
    )
    return b"".join([bytes_field(NORMALIZER_NAME, name.encode()), *kept])


def _entry_message(entry: NewEntry) -> bytes:
    return (
        bytes_field(_TEXT, entry.text.encode())
        + float_field(_SCORE, entry.score)
        + (number_field(_TYPE, _USER_DEFINED) if entry.is_symbol else b"")
    )

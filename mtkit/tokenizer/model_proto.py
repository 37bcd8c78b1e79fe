"""SentencePiece models, extended and changed without the library, which cannot do it."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mtkit.io.tokenizer_files import (
    BOS_TEXT,
    BPE,
    BYTE_FALLBACK,
    CHARSMAP,
    CONTROL,
    ENTRIES,
    EOS_TEXT,
    FOUR_BYTES,
    KIND,
    LENGTH_PREFIXED,
    NORMAL,
    NORMALIZER,
    NORMALIZER_NAME,
    PAD_TEXT,
    SCORE,
    SELF_TEST,
    TEXT,
    TRAINER,
    TYPE,
    UNK_TEXT,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    VARINT,
    read_entries,
    read_fields,
)

_JOINS_SPACES, _RULE_PATH = 4, 6  # fields of the normalizer's settings


class NewEntry(NamedTuple):
    """An entry to add to the vocabulary of a model."""

    text: str
    score: float = 0.0
    is_symbol: bool = False
    """Whether it is never split; its score then has no effect."""


def add_entries(model_bytes: bytes, new: Iterable[NewEntry]) -> bytes:
    """Append entries to a model; the ids of its own entries do not change.

    An ordinary entry that is to become a symbol is changed in place, and so is an unused one.
    """
    by_text: dict[bytes, NewEntry] = {}
    for entry in new:
        by_text.setdefault(entry.text.encode(), entry)
    fields = []
    for number, value in read_fields(model_bytes):
        if number == ENTRIES:
            entry = dict(read_fields(value))
            changed, kind = by_text.pop(entry[TEXT], None), entry.get(TYPE, NORMAL)
            if changed is not None and (kind == UNUSED or (kind == NORMAL and changed.is_symbol)):
                value = _entry_message(changed)
        # All fields of a model are messages.
        fields.append(_bytes_field(number, value))
    fields += [_bytes_field(ENTRIES, _entry_message(entry)) for entry in by_text.values()]
    return b"".join(fields)


class EntryChange(NamedTuple):
    """Type and score of an entry."""

    kind: int
    """As SentencePiece numbers the types: NORMAL, CONTROL, ..."""
    score: float = 0.0


def arrange_entries(
    model_bytes: bytes, tokens: Sequence[str], changes: Mapping[str, EntryChange] | None = None
) -> bytes:
    """Make the entries of a model those of a list of tokens, in its order.

    Entries that are not in the list are removed. Tokens without an entry get one that is never used
    to split a text, but can be decoded.

    Args:
        model_bytes: The model.
        tokens: Tokens by id, without repetition.
        changes: Types and scores to set.
    """
    changes = changes or {}
    entries = {
        entry[TEXT].decode(): EntryChange(
            entry.get(TYPE, NORMAL), struct.unpack("<f", entry.get(SCORE, bytes(4)))[0]
        )
        for entry in read_entries(model_bytes)
    }
    # SentencePiece merges unused BPE tokens too, and undoes that at the end; merged after all
    # others, they do not affect these.
    last = min((score for kind, score in entries.values() if kind == NORMAL), default=0.0) - 1
    messages = []
    for token in tokens:
        kind, score = changes.get(token) or entries.get(token) or EntryChange(UNUSED)
        entry = NewEntry(token, last if kind == UNUSED else score)
        messages.append(_bytes_field(ENTRIES, _entry_message(entry) + _number_field(TYPE, kind)))
    # A self-test compares the segmentation of examples when the model is loaded.
    others = (
        _bytes_field(number, value)
        for number, value in read_fields(model_bytes)
        if number not in (ENTRIES, SELF_TEST)
    )
    return b"".join([*messages, *others])


def make_bpe_model(tokens: Sequence[str], charsmap: bytes) -> bytes:
    """Make a model of type BPE, with <unk>, <s> and </s> before its tokens.

    Args:
        tokens: The tokens by priority: earlier ones are merged first.
        charsmap: Rules of the normalization, as SentencePiece compiles them; empty for none.
    """
    kinds = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL}
    entries = [(text, 0.0, kind) for text, kind in kinds.items()]
    entries += [(text, -float(rank), NORMAL) for rank, text in enumerate(tokens)]
    messages = (
        _entry_message(NewEntry(text, score)) + _number_field(TYPE, kind)
        for text, score, kind in entries
    )
    normalizer = _bytes_field(NORMALIZER_NAME, b"user_defined") + _bytes_field(CHARSMAP, charsmap)
    return b"".join(
        [
            *(_bytes_field(ENTRIES, message) for message in messages),
            _bytes_field(TRAINER, _number_field(KIND, BPE)),
            _bytes_field(NORMALIZER, normalizer),
        ]
    )


def set_special_texts(
    model_bytes: bytes, unk: str, bos: str, eos: str, pad: str, *, byte_fallback: bool
) -> bytes:
    """Set which entries of a model are the special tokens, by their texts; some may be equal.

    Args:
        model_bytes: The model.
        unk: Text of UNK.
        bos: Text of BOS.
        eos: Text of EOS.
        pad: Text of PAD.
        byte_fallback: Whether characters without a token are encoded as bytes.
    """
    texts = {UNK_TEXT: unk, BOS_TEXT: bos, EOS_TEXT: eos, PAD_TEXT: pad}
    # If a field occurs twice, the last one is valid.
    added = b"".join(_bytes_field(number, text.encode()) for number, text in texts.items())
    added += _number_field(BYTE_FALLBACK, byte_fallback)
    return b"".join(
        _bytes_field(number, value + added if number == TRAINER else value)
        for number, value in read_fields(model_bytes)
    )


def set_normalization(model_bytes: bytes, name: str, charsmap: bytes | None = None) -> bytes:
    """Set the name of a model's normalization, and remove the path of the file with its rules.

    Args:
        model_bytes: The model.
        name: The name.
        charsmap: New precompiled rules, with which runs of spaces are also joined; None keeps all.
    """
    return b"".join(
        _bytes_field(number, _with_name(value, name, charsmap) if number == NORMALIZER else value)
        for number, value in read_fields(model_bytes)
    )


def _with_name(normalizer: bytes, name: str, charsmap: bytes | None) -> bytes:
    kept = (
        _bytes_field(number, value) if isinstance(value, bytes) else _number_field(number, value)
        for number, value in read_fields(normalizer)
        if number not in (NORMALIZER_NAME, _RULE_PATH)
    )
    # If a field occurs twice, the last one is valid.
    added = (
        ()
        if charsmap is None
        else (_bytes_field(CHARSMAP, charsmap), _number_field(_JOINS_SPACES, 1))
    )
    return b"".join([_bytes_field(NORMALIZER_NAME, name.encode()), *kept, *added])


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

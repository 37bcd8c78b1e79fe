"""Vocabularies whose ids are not those of their SentencePiece model.

Marian and Hugging Face split text with a SentencePiece model, and look the ids of the subwords up
in a table. The model is rewritten so that its ids are those of the table.
"""

import re
import struct
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from mtkit.errors import MtkitError
from mtkit.interop.obstacles import Obstacle
from mtkit.io.tokenizer_files import (
    BYTE,
    CONTROL,
    NORMAL,
    SCORE,
    TEXT,
    TYPE,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    read_entries,
    read_settings,
)
from mtkit.tokenizer.model_proto import EntryChange, arrange_entries, set_special_texts
from mtkit.tokenizer.normalize import WORD_BOUNDARY
from mtkit.tokenizer.subword import Subword

TAG = re.compile(">>.+<<")
"""Token that selects the target language, such as >>deu<<."""

_N_BYTES = 256


class SpecialTexts(NamedTuple):
    """Texts of the special tokens; that of BOS may be that of PAD."""

    pad: str
    unk: str
    bos: str
    eos: str


class ArrangedVocabulary(NamedTuple):
    """A vocabulary with the ids of a table."""

    subword: Subword
    n_without_id: int
    """Number of subwords of the SentencePiece model that are not in the table, and never used."""


def arrange_vocabulary(
    model_bytes: bytes,
    tokens: Sequence[str],
    special: SpecialTexts,
    tags: Sequence[str] = (),
    name: str = "tokenizer",
    unused: Sequence[str] = (),
) -> ArrangedVocabulary:
    """Give the tokens of a SentencePiece model the ids of a table.

    Subwords that are not in the table would be unknown words to the model. Without them, a unigram
    model splits such words into other subwords; all other words are split as before. A table for
    both languages also has the other language's subwords: its single characters may be used, the
    others only be decoded.

    Args:
        model_bytes: The model; it may have no padding.
        tokens: The table: tokens by id.
        special: Texts of the special tokens.
        tags: Tokens that are never split.
        name: Name of the model in errors.
        unused: Subwords of the model, also in the table, that are only on the way to longer ones: a
            text is split into their parts.
    Raises:
        MtkitError: It is not a SentencePiece model.
    """
    _check_model(model_bytes, name)
    entries = {
        entry[TEXT].decode(): (entry.get(TYPE, NORMAL), _number(entry.get(SCORE, bytes(4))))
        for entry in read_entries(model_bytes)
    }
    changes = {tag: EntryChange(USER_DEFINED) for tag in tags}
    changes |= {text: EntryChange(UNUSED, entries[text][1]) for text in unused}
    changes |= {text: EntryChange(CONTROL) for text in (special.pad, special.bos, special.eos)}
    changes[special.unk] = EntryChange(UNKNOWN)
    lowest = min((score for kind, score in entries.values() if kind == NORMAL), default=0.0)
    if read_settings(model_bytes, name).type == "unigram":
        # An unknown character costs more than any subword, so a score for it changes no other word.
        changes |= {
            token: EntryChange(NORMAL, lowest)
            for token in tokens
            if len(token) == 1 and token not in entries and token != WORD_BOUNDARY
        }
    table = frozenset(tokens)
    n_bytes = sum(kind == BYTE and text in table for text, (kind, _) in entries.items())
    arranged = set_special_texts(
        arrange_entries(model_bytes, tokens, changes),
        *(special.unk, special.bos, special.eos, special.pad),
        byte_fallback=n_bytes == _N_BYTES,
    )
    n_without_id = sum(kind == NORMAL and text not in table for text, (kind, _) in entries.items())
    return ArrangedVocabulary(Subword(arranged, name), n_without_id)


def _check_model(model_bytes: bytes, name: str) -> None:
    try:
        if not model_bytes:
            raise RuntimeError
        SentencePieceProcessor(model_proto=model_bytes)
    except RuntimeError:
        raise MtkitError(
            f"`{name}`: not a SentencePiece model", "make or copy the directory again"
        ) from None


def _number(four_bytes: bytes) -> float:
    return struct.unpack("<f", four_bytes)[0]


def merges_without_id(model_bytes: bytes, tokens: Collection[str]) -> list[str]:
    """Return the subwords of a BPE model that a table lacks, except for single characters.

    Longer subwords are merged from them. A single character is unknown without an id.
    """
    if read_settings(model_bytes).type != "bpe":
        return []
    texts = [
        entry[TEXT].decode()
        for entry in read_entries(model_bytes)
        if entry.get(TYPE, NORMAL) == NORMAL
    ]
    return [text for text in texts if len(text) > 1 and text not in tokens]


def check_removed(
    arranged: ArrangedVocabulary,
    model_bytes: bytes,
    name: str,
    treatment: str,
    notes: list[str],
    obstacles: list[Obstacle],
) -> None:
    """Add subwords without an id to the notes; where they cannot be left out, to the obstacles.

    Args:
        arranged: The vocabulary.
        model_bytes: Its SentencePiece model.
        name: Name of the model's file.
        treatment: What the other program and mtkit do with words of such subwords.
        notes: Receives a note.
        obstacles: Receives an obstacle.
    """
    n_removed = arranged.n_without_id
    if not n_removed:
        return
    if (kind := read_settings(model_bytes, name).type) != "unigram":
        # A merge may need them on the way to a longer subword.
        obstacles.append(
            Obstacle(f"{n_removed:,} subwords of {name}, which is of type {kind}, have no id")
        )
        return
    notes.append(f"{n_removed:,} subwords of {name} have no id: {treatment}")

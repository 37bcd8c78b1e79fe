"""Normalization rules of SentencePiece models: read, and preceded by replacements of characters.

A model contains its rules as a precompiled map from character sequences to texts: the size of a
trie, the trie (a double array; Aoe 1989), and the texts.
"""

import io
from collections import defaultdict
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sentencepiece import SentencePieceTrainer

from mtkit.errors import MtkitError
from mtkit.io.tokenizer_files import CHARSMAP, NORMALIZER, read_fields
from mtkit.tokenizer.model_proto import set_normalization

_LABEL = np.uint32(1 << 31 | 0xFF)
"""Bits of a unit of the trie that contain its character; the highest is set in values."""
_MAX_SEQUENCES = 1 << 21
"""Beginnings included; the rules of SentencePiece's nmt_nfkc_cf have a quarter of that."""
_MAX_BYTES = 256


def with_replacements(model_bytes: bytes, replacements: Mapping[str, str], name: str) -> bytes:
    """Make a model replace characters before its own normalization, and join spaces.

    Args:
        model_bytes: The model.
        replacements: The text for each character.
        name: Name of the new normalization.
    Raises:
        MtkitError: The model's normalization rules are damaged.
    """
    normalizer = dict(read_fields(dict(read_fields(model_bytes))[NORMALIZER]))
    charsmap = _composed(normalizer.get(CHARSMAP, b""), tuple(sorted(replacements.items())))
    return set_normalization(model_bytes, name, charsmap)


@lru_cache(maxsize=2)
def _composed(charsmap: bytes, replacements: tuple[tuple[str, str], ...]) -> bytes:
    return _compiled(compose(dict(replacements), read_rules(charsmap)))


def compose(replacements: Mapping[str, str], rules: Mapping[str, str]) -> dict[str, str]:
    """Return the rules that have the effect of replacements, followed by other rules.

    Args:
        replacements: The text for each character.
        rules: The text for each sequence of characters; the longest match is replaced.
    """
    composed = {
        sequence: text
        for sequence, text in rules.items()
        if not any(char in replacements for char in sequence)
    }
    last_chars = {text[-1:] for text in replacements.values()}
    continued: dict[str, list[str]] = defaultdict(list)
    for sequence in rules:
        if len(sequence) > 1 and sequence[0] in last_chars:
            continued[sequence[0]].append(sequence)
    normalize = cache(partial(_apply, rules))
    for char, text in replacements.items():
        composed[char] = normalize(text)
        # A combining character may follow, which joins the last character of the text.
        for sequence in continued[text[-1:]]:
            composed[char + sequence[1:]] = normalize(text[:-1]) + rules[sequence]
    return composed


def read_rules(charsmap: bytes) -> dict[str, str]:
    """Return the rules in a precompiled map, which is empty if there are none.

    Raises:
        MtkitError: It is damaged.
    """
    if not charsmap:
        return {}
    try:
        return _read_trie(charsmap)
    except (ValueError, IndexError, TypeError):
        raise MtkitError(
            "the normalization rules of the SentencePiece model are damaged",
            "make or copy the model again",
        ) from None


def _read_trie(charsmap: bytes) -> dict[str, str]:
    n_bytes = int.from_bytes(charsmap[:4], "little")
    units_U = np.frombuffer(charsmap, "<u4", n_bytes // 4, 4)
    texts = charsmap[4 + n_bytes :]
    children_at_U = np.arange(len(units_U)) ^ (units_U >> 10 << ((units_U & 512) >> 6))
    has_value_U = (units_U >> 8 & 1).astype(bool)
    rules: dict[str, str] = {}
    nodes_N, sequences = np.array([0]), [b""]
    chars_C = np.arange(1, 256)
    n_sequences = 0
    # All sequences of the same number of bytes at once. They share nodes for equal ends, so a
    # damaged trie may have a loop.
    while len(nodes_N):
        n_sequences += len(nodes_N)
        if n_sequences > _MAX_SEQUENCES or len(sequences[0]) > _MAX_BYTES:
            raise ValueError("a loop")
        for i in np.flatnonzero(has_value_U[nodes_N]):
            begin = int(units_U[children_at_U[nodes_N[i]]]) & 0x7FFFFFFF
            text = texts[begin : texts.index(b"\0", begin)]
            rules[sequences[i].decode()] = text.decode()
        children_NC = children_at_U[nodes_N][:, None] ^ chars_C
        is_inside_NC = children_NC < len(units_U)
        labels_NC = units_U[np.where(is_inside_NC, children_NC, 0)] & _LABEL
        rows, columns = np.nonzero(is_inside_NC & (labels_NC == chars_C))
        sequences = [
            sequences[row] + bytes([column + 1])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        nodes_N = children_NC[rows, columns]
    return rules


def rules_tsv(rules: Mapping[str, str]) -> str:
    """Format rules for SentencePiece's option normalization_rule_tsv."""
    return "".join(f"{_codes(text)}\t{_codes(new)}\n" for text, new in rules.items())


def _codes(text: str) -> str:
    return " ".join(f"{ord(char):X}" for char in text)


def _compiled(rules: Mapping[str, str]) -> bytes:
    """Return the precompiled map of rules; SentencePiece compiles them as it trains a model."""
    model = io.BytesIO()
    with TemporaryDirectory(prefix="mtkit-") as temp_dir:
        path = Path(temp_dir) / "rules.tsv"
        path.write_text(rules_tsv(rules), encoding="ascii")
        SentencePieceTrainer.Train(
            sentence_iterator=iter(["a"]),
            model_writer=model,
            model_type="char",
            vocab_size=5,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(path),
            minloglevel=3,
        )
    return dict(read_fields(dict(read_fields(model.getvalue()))[NORMALIZER]))[CHARSMAP]


def _apply(rules: Mapping[str, str], text: str) -> str:
    """Normalize a text: replace the longest match at each position."""
    normalized, begin = "", 0
    while begin < len(text):
        for end in range(len(text), begin, -1):
            if (new := rules.get(text[begin:end])) is not None:
                normalized, begin = normalized + new, end
                break
        else:
            normalized, begin = normalized + text[begin], begin + 1
    return normalized

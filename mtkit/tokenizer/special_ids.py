"""Ids of the special tokens, which are read from the tokenizer's model."""

from typing import NamedTuple


class SpecialIds(NamedTuple):
    """Ids of the special tokens of one vocabulary."""

    pad: int
    unk: int
    bos: int
    eos: int

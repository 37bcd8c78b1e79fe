"""The ids of the pieces that are no text; they come from the tokenizer's model and are handed along."""

from typing import NamedTuple


class SpecialIds(NamedTuple):
    """Ids of the special pieces of one vocabulary."""

    pad: int
    unk: int
    bos: int
    eos: int

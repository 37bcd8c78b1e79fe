"""Ids of the special tokens, which are read from the tokenizer's model."""

from typing import NamedTuple


class SpecialIds(NamedTuple):
    """Ids of the special tokens of one vocabulary."""

    pad: int
    unk: int
    bos: int
    eos: int

    @property
    def never_generated(self) -> list[int]:
        """The two tokens that no translation contains: PAD and BOS.

        BOS may be PAD, or EOS, which ends a translation; then PAD is both.
        """
        return [self.pad, self.pad if self.bos == self.eos else self.bos]


CONTEXT_SEPARATOR = "<sep>"
"""Symbol between the sentences of an example with context, in a vocabulary that has it."""

"""Recipe section `augment:`: data augmentation that imitates careless text."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from mtkit.config.section import Section

Alteration = Literal["upper_case", "title_case", "typos", "drop_end_punctuation", "noise"]
"""Kinds of alteration; a training pair gets at most one."""


class AugmentConfig(Section):
    """Shares of training pairs to alter, drawn in each epoch, for robustness to careless text.

    A pair gets at most one kind of alteration. Placeholders such as {name}, %s and <b>, URLs,
    e-mail addresses and numbers are left unchanged. Recipe section `augment:`.
    """

    upper_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs with both sides in upper case, if the source's script has case."""
    title_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs with each word of both sides capitalized, if the source's script has case."""
    typos: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs with typing errors in the source: letters swapped, omitted, doubled or
    replaced by their neighbor on the keyboard, one letter in twenty."""
    drop_end_punctuation: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs without the final punctuation of both sides."""
    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs replaced by a line of digits, symbols, emoji or addresses with itself as
    translation, which teaches the model to copy untranslatable text."""
    merge: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs with another pair of the same corpus appended, so that the model learns to
    translate lines of two sentences; applied before the other alterations."""

    @model_validator(mode="after")
    def shares_add_up(self) -> Self:
        total = sum(self.shares.values())
        if total > 1 + 1e-9:
            raise ValueError(
                f"{', '.join(self.shares)} add up to {total:g}, but a pair gets at most one "
                "alteration; lower them so that their sum is at most 1"
            )
        return self

    @property
    def shares(self) -> dict[Alteration, float]:
        """Share of each alteration, in the order in which they are drawn."""
        return {name: getattr(self, name) for name in get_args(Alteration)}

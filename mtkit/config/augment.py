"""Recipe section `augment:`: data augmentation, for careless text, placeholders and terms."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from mtkit.config.section import Section

MASKS = tuple(f"<ph{number}>" for number in range(1, 9))
"""Symbols of the vocabulary that stand for placeholders."""
TERM_SYMBOLS = ("<term>", "<as>", "</term>")
"""Symbols of the vocabulary before a term, before its translation, and after it."""
Alteration = Literal["upper_case", "title_case", "typos", "drop_end_punctuation", "noise"]
"""Kinds of alteration that imitate careless text; a training pair gets at most one."""
Annotation = Literal["placeholders", "terms"]
"""Kinds of alteration after which a model has symbols for something; one of those as well."""


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
    placeholders: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs in which placeholders, numbers and names that both sides have are replaced by
    masks such as <ph1>, so that the model learns to carry them along; documents are then translated
    with masks."""
    terms: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs in which words of the source are followed by their translation, as aligned in
    the corpus, so that the model learns to use the terms of `mtkit translate --terms`."""

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
    def shares(self) -> dict[Alteration | Annotation, float]:
        """Share of each alteration, in the order in which they are drawn."""
        names = (*get_args(Alteration), *get_args(Annotation))
        return {name: getattr(self, name) for name in names}

    @property
    def altering(self) -> list[str]:
        """Names of the settings by which pairs are altered or joined."""
        return [f"augment.{name}" for name in ("merge", *self.shares) if getattr(self, name)]

    @property
    def masks(self) -> tuple[str, ...]:
        """Symbols of the vocabulary that stand for placeholders; none unless they are learned."""
        return MASKS if self.placeholders else ()

    @property
    def term_symbols(self) -> tuple[str, str, str] | tuple[()]:
        """Symbols around terms and their translations; none unless they are learned."""
        return TERM_SYMBOLS if self.terms else ()

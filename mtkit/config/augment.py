"""Recipe section `augment:`: training pairs altered to resemble careless text."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from mtkit.config.section import Section

Alteration = Literal["upper_case", "title_case", "typos", "drop_end_punctuation", "noise"]
"""Ways to alter a text; at most one is applied to a training pair."""


class AugmentConfig(Section):
    """Shares of the training pairs that are altered, to make the model robust to careless text.

    Different pairs are altered in each epoch, each in at most one way. Placeholders such as {name},
    %s and <b>, URLs, e-mail addresses and numbers are not altered. Recipe section `augment:`.
    """

    upper_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Write both sides in capitals, if the script of the source has them."""
    title_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Capitalise each word of both sides, if the script of the source has capitals."""
    typos: float = Field(default=0.0, ge=0.0, le=1.0)
    """Insert typing errors into the source: letters swapped, left out, doubled or replaced by a
    neighbour on the keyboard, one in twenty."""
    drop_end_punctuation: float = Field(default=0.0, ge=0.0, le=1.0)
    """Remove the punctuation at the end of both sides."""
    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    """Replace the pair by a line of digits, symbols, emoji or addresses that is its own
    translation, to teach copying of text that cannot be translated."""
    merge: float = Field(default=0.0, ge=0.0, le=1.0)
    """Append another pair of the same corpus, so that the model learns to translate lines of two
    sentences. Applied before the other alterations."""

    @model_validator(mode="after")
    def shares_add_up(self) -> Self:
        total = sum(self.shares.values())
        if total > 1 + 1e-9:
            raise ValueError(
                f"{', '.join(self.shares)} add up to {total:g}, but a pair is altered in at most "
                "one "
                "way; lower them to a sum of 1"
            )
        return self

    @property
    def shares(self) -> dict[Alteration, float]:
        """Return the shares of the alterations, in the order in which they are drawn."""
        return {name: getattr(self, name) for name in get_args(Alteration)}

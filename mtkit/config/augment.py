"""Recipe section `augment:`: training pairs altered as careless text is."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from mtkit.config.section import Section

Alteration = Literal["upper_case", "title_case", "typos", "drop_end_punctuation", "noise"]
"""Ways to alter a text; of a training pair one at most."""


class AugmentConfig(Section):
    """Shares of the training pairs that are altered, other ones in each epoch, so that the model bears with careless text. A pair is altered in one
    way at most. Placeholders such as {name}, %s and <b>, URLs, e-mail addresses and numbers stay as they are. Recipe section `augment:`."""

    upper_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Both sides in capitals, where the source's script has them."""
    title_case: float = Field(default=0.0, ge=0.0, le=1.0)
    """Each word of both sides with a capital, where the source's script has them."""
    typos: float = Field(default=0.0, ge=0.0, le=1.0)
    """Slips of the finger in the source: letters swapped, left out, doubled or mistaken for their neighbour on the keyboard, one in twenty."""
    drop_end_punctuation: float = Field(default=0.0, ge=0.0, le=1.0)
    """Both sides without the signs that end the sentence."""
    noise: float = Field(default=0.0, ge=0.0, le=1.0)
    """A line of digits, signs, emoji or addresses in the place of the pair, with itself as translation: what cannot be read is to be copied."""
    merge: float = Field(default=0.0, ge=0.0, le=1.0)
    """Another pair of the same corpus joined to the end, so that the model translates lines of two sentences. Comes before the other ways."""

    @model_validator(mode="after")
    def shares_add_up(self) -> Self:
        total = sum(self.shares.values())
        if total > 1 + 1e-9:
            raise ValueError(
                f"{', '.join(self.shares)} add up to {total:g}, but a pair is altered in one way at most; lower them to 1 together"
            )
        return self

    @property
    def shares(self) -> dict[Alteration, float]:
        """Of the ways to alter a text, in the order in which chance is asked."""
        return {name: getattr(self, name) for name in get_args(Alteration)}

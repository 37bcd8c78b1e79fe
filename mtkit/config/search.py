"""Recipe section `search:`: how translations are found."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mtkit.config.section import Section


class SearchConfig(Section):
    """How translations are found. Recipe section `search:`; kept in the model as its defaults."""

    beam_size: PositiveInt = 5
    """Hypotheses kept for each sentence; 1 is greedy."""
    length_penalty: Literal["wu", "mean", "none"] = "wu"
    """Log-probabilities are divided by ((5 + length) / 6) ** alpha (wu), by length ** alpha (mean at alpha 1), or by nothing."""
    alpha: float = Field(default=1.0, ge=0.0)
    """Strength of the length penalty; larger favours longer translations."""
    max_length_ratio: float = Field(default=2.0, gt=0.0)
    """A translation has at most this many pieces for each source piece ..."""
    max_length_extra: NonNegativeInt = 20
    """... and this many more."""
    min_length: NonNegativeInt = 1
    """A translation has at least this many pieces; 1 keeps a line from coming out empty."""
    n_best: PositiveInt = 1
    """Translations returned for each sentence; at most beam_size."""
    loop_guard: bool = True
    """Search once more, in another way, where a translation repeats itself or is far too long or too short."""
    max_tokens: PositiveInt = 4096
    """Source positions in a batch, times the beam size."""

    @model_validator(mode="after")
    def beam_holds_n_best(self) -> Self:
        if self.n_best > self.beam_size:
            raise ValueError(f"n_best ({self.n_best}) is more than beam_size ({self.beam_size}); raise beam_size")
        return self

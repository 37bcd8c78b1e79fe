"""Recipe section `sampling:`: other ways to split the same sentence into pieces, drawn anew in each epoch."""

from typing import Self

from pydantic import Field, model_validator

from mtkit.config.section import Section


class SamplingConfig(Section):
    """How training draws segmentations; translation always takes the best one. Recipe section `sampling:`."""

    src_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """BPE-dropout (Provilkov et al. 2020): chance that a merge is left out when a source is split; 0.1 is usual, 1 spells. For tokenizer.type bpe."""
    tgt_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """The same for targets."""
    src_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """Subword regularisation (Kudo 2018): each way to split a source is drawn by its probability to this power; 0.1 to 0.5 is usual, 0 makes all ways
    equal. For tokenizer.type unigram."""
    tgt_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """The same for targets."""
    n_best: int = Field(default=-1, le=512)
    """Draw with src_alpha and tgt_alpha from this many best ways to split; -1 from all, which is faster."""

    @model_validator(mode="after")
    def n_best_is_a_number_of_ways(self) -> Self:
        if self.n_best != -1 and self.n_best < 2:
            raise ValueError(
                f"n_best ({self.n_best}) leaves nothing to draw from; give -1, or 2 to 512"
            )
        return self

    @property
    def samples_src(self) -> bool:
        """Whether sources are split at random."""
        return self.src_dropout > 0 or self.src_alpha is not None

    @property
    def samples_tgt(self) -> bool:
        """Whether targets are split at random."""
        return self.tgt_dropout > 0 or self.tgt_alpha is not None

"""Recipe section `sampling:`: subword regularization, with new segmentations in each epoch."""

from typing import Self

from pydantic import Field, model_validator

from mtkit.config.section import Section


class SamplingConfig(Section):
    """Subword regularization: random segmentations in training; translation always uses the best
    one. Recipe section `sampling:`."""

    src_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability of skipping a merge when a source is segmented (BPE-dropout; Provilkov et al.
    2020); 0.1 is usual, 1 gives single characters. Requires tokenizer.type bpe."""
    tgt_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability of skipping a merge when a target is segmented."""
    src_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """Smoothing exponent for sampling source segmentations (subword regularization; Kudo 2018):
    each is drawn in proportion to its probability raised to this power; 0.1 to 0.5 is usual, 0
    draws uniformly. Requires tokenizer.type unigram."""
    tgt_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """Smoothing exponent for sampling target segmentations."""
    n_best: int = Field(default=-1, le=512)
    """Number of best segmentations that src_alpha and tgt_alpha draw from; -1 draws from all, which
    is faster."""

    @model_validator(mode="after")
    def n_best_is_a_number_of_ways(self) -> Self:
        if self.n_best != -1 and self.n_best < 2:
            raise ValueError(
                f"n_best ({self.n_best}) leaves nothing to draw from; set it to -1, or 2 to 512"
            )
        return self

    @property
    def samples_src(self) -> bool:
        """Whether source segmentations are random."""
        return self.src_dropout > 0 or self.src_alpha is not None

    @property
    def samples_tgt(self) -> bool:
        """Whether target segmentations are random."""
        return self.tgt_dropout > 0 or self.tgt_alpha is not None

"""Recipe section `sampling:`: random segmentations of sentences into subwords."""

from typing import Self

from pydantic import Field, model_validator

from mtkit.config.section import Section


class SamplingConfig(Section):
    """How training samples segmentations into subwords; translation always uses the best one.

    Recipe section `sampling:`.
    """

    src_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """BPE-dropout (Provilkov et al. 2020): probability of skipping a merge in a source; 0.1 is
    common, 1 splits into characters. For tokenizer.type bpe."""
    tgt_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """BPE-dropout of targets."""
    src_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """Subword regularization (Kudo 2018): a segmentation of a source is drawn by its probability to
    this power; 0.1 to 0.5 is common, 0 makes all equally likely. For tokenizer.type unigram."""
    tgt_alpha: float | None = Field(default=None, ge=0.0, le=1e6)
    """Subword regularization of targets."""
    n_best: int = Field(default=-1, le=512)
    """With src_alpha and tgt_alpha: sample from this many best segmentations; -1 samples from all,
    which is faster."""

    @model_validator(mode="after")
    def n_best_leaves_a_choice(self) -> Self:
        if self.n_best != -1 and self.n_best < 2:
            raise ValueError(f"n_best ({self.n_best}) leaves no choice; give -1, or 2 to 512")
        return self

    @property
    def samples_src(self) -> bool:
        """Whether segmentations of sources are sampled."""
        return self.src_dropout > 0 or self.src_alpha is not None

    @property
    def samples_tgt(self) -> bool:
        """Whether segmentations of targets are sampled."""
        return self.tgt_dropout > 0 or self.tgt_alpha is not None

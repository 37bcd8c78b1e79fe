"""Recipe section `search:`: how translations are found."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtkit.config.section import NonNegativeInt, PositiveFloat, PositiveInt, Section, Seed

SAMPLING_FIELDS = ("temperature", "top_k", "top_p", "epsilon", "seed")
"""What has a meaning with `sampling` alone."""


SplitSentences = Literal["auto", "always", "never"]


class SearchConfig(Section):
    """How translations are found. Recipe section `search:`; kept in the model as its defaults."""

    beam_size: int = Field(default=5, gt=0, le=10_000)
    """Hypotheses kept for each sentence; 1 is greedy."""
    length_penalty: Literal["wu", "mean", "none"] = "wu"
    """Log-probabilities are divided by ((5 + length) / 6) ** alpha (wu), by length ** alpha (mean at alpha 1), or by nothing."""
    alpha: float = Field(default=1.0, ge=0.0, le=100.0)
    """Strength of the length penalty; larger favours longer translations."""
    coverage_penalty: float = Field(default=0.0, ge=0.0, le=1e6)
    """Strength of the penalty for source pieces that a translation attends to too little (beta of Wu et al. 2016); 0 is off, 0.2 is usual."""
    max_length_ratio: float = Field(default=2.0, gt=0.0, le=1000.0)
    """Maximum length of a translation: this many pieces for each source piece, plus max_length_extra."""
    max_length_extra: NonNegativeInt = 20
    """Pieces that a translation may have beyond max_length_ratio times the length of its source."""
    max_length: PositiveInt | None = None
    """Maximum number of pieces in a translation, however long its source is; unset: no limit."""
    min_length: NonNegativeInt = 1
    """Minimum number of pieces in a translation; 1 keeps a line from coming out empty."""
    no_repeat_ngram_size: NonNegativeInt = 0
    """No n-gram of this many pieces is repeated in a translation (Paulus et al. 2018); 0 is off, 3 or 4 stops most loops."""
    repetition_penalty: float = Field(default=1.0, ge=1.0, le=1e6)
    """Factor on the log-probabilities of pieces that the translation already has (Keskar et al. 2019); 1 is off, 1.2 is usual."""
    n_best: int = Field(default=1, gt=0, le=10_000)
    """Translations returned for each sentence; at most beam_size. With sampling, how many are drawn."""
    mbr: int = Field(default=0, ge=0, le=10_000)
    """Choose from this many candidates the one most similar to the others (minimum Bayes risk; Eikema and Aziz 2020), not the most probable one;
    0 is off. Candidates are samples, or without sampling the n best of a beam of at least this size."""
    mbr_utility: Literal["chrf", "bleu"] = "chrf"
    """With mbr: measure of the similarity of two candidates."""
    n_groups: PositiveInt = 1
    """Groups of a diverse beam search, which avoid each other's choices (Vijayakumar et al. 2018); divides beam_size; 1 is plain."""
    diversity: float = Field(default=0.5, ge=0.0, le=1e6)
    """With n_groups: penalty on a log-probability for each earlier group that chose the same piece at the same step."""
    sampling: bool = False
    """Draw translations at random by their probabilities, instead of searching for the most probable ones."""
    temperature: PositiveFloat = 1.0
    """With sampling: log-probabilities are divided by this; below 1 favours probable pieces."""
    top_k: NonNegativeInt = 0
    """With sampling: draw among this many most probable pieces; 0 is all."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """With sampling: draw among the fewest pieces that have this probability together (Holtzman et al. 2020); 1 is all."""
    epsilon: float = Field(default=0.0, ge=0.0, lt=1.0)
    """With sampling: never draw a piece less probable than this (Hewitt et al. 2022); 0 is all."""
    seed: Seed = 0
    """With sampling: the same seed draws the same translation of a line, whatever else is translated."""
    ensemble: Literal["mean", "log_mean"] = "mean"
    """With several models: mean of their probabilities, or of their log-probabilities, normalised again (log_mean)."""
    split_sentences: SplitSentences = "auto"
    """Translate the sentences of a line one by one: auto keeps together as many as training lines often had, always none, never splits only lines
    that are too long for the model. A line feed within a text always splits it."""
    copy_untranslatable: bool = True
    """Copy lines and sentences without words, such as numbers, dates, emoji and URLs, instead of translating them."""
    loop_guard: bool = True
    """Search again if a translation repeats itself more than its source or does not end (with repetitions blocked), or is far shorter than its source
    or has far fewer sentences (in smaller parts)."""
    max_tokens: PositiveInt | None = None
    """Source positions in a batch, times the beam size; unset: 16384 on a CPU, 131072 on a GPU."""

    @property
    def n_rows(self) -> int:
        """Hypotheses of a sentence that are computed at the same time."""
        return self.n_best if self.sampling else self.beam_size

    def batch_tokens(self, device_type: str) -> int:
        """`max_tokens`, or a value that is fast on this kind of device (cpu, cuda)."""
        return self.max_tokens or (16384 if device_type == "cpu" else 131072)

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.mbr and self.n_best > self.mbr:
            raise ValueError(
                f"n_best ({self.n_best}) is more than mbr ({self.mbr}), which is how many there are to choose from; raise mbr"
            )
        if self.n_best > self.beam_size and not self.mbr and not self.sampling:
            raise ValueError(
                f"n_best ({self.n_best}) is more than beam_size ({self.beam_size}); raise beam_size"
            )
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(
                f"max_length ({self.max_length}) is less than min_length ({self.min_length})"
            )
        if self.beam_size % self.n_groups and not self.sampling:
            raise ValueError(
                f"n_groups ({self.n_groups}) does not divide beam_size ({self.beam_size}); each group has an equal share of the beam"
            )
        if self.sampling:
            for name, value in (
                ("n_groups", self.n_groups > 1),
                ("coverage_penalty", self.coverage_penalty > 0),
            ):
                if value:
                    raise ValueError(
                        f"{name} ({getattr(self, name)}) belongs to a beam, and sampling has none; leave one of the two out"
                    )
        return self
